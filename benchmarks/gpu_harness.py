"""Holds the TensorRT backend against the least that could be done, and against PyTorch, on the GPU of this machine.

    python benchmarks/gpu_harness.py --onnx resnet8=models/onnx/model.onnx --images data/prepared --out gpu.json --check

`--check` exits with 1 and names each target that was missed. Needs neither TensorFlow nor DVC. docs/tensorrt.md says
what the figures mean and how to spread the cells over several GPUs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPLAY_TOLERANCE = 0.03
LIMIT_SHARE = 0.9
LIMIT_FROM_BATCH = 1024
ROTATE = 4
PEER = "torch"
FLOATS = ("fp32", "tf32", "fp16", "bf16")


@dataclass(frozen=True)
class Target:
    """One requirement: `value` must lie within [low, high] (None: open)."""

    name: str
    value: float | None
    low: float | None
    high: float | None

    @property
    def met(self) -> bool:
        """A value that is missing meets nothing."""
        if self.value is None or math.isnan(self.value):
            return False
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)


def targets(cells: dict[str, dict[str, Any]]) -> list[Target]:
    """The requirements on every measured cell; a cell that failed, rather than being unavailable, meets none."""
    found = []
    for name, cell in cells.items():
        if cell["status"] == "failed":
            found.append(Target(f"{name}: measured at all ({cell['reason']})", None, None, None))
        if cell["status"] == "measured" and not name.endswith(f"/{PEER}"):
            found += _cell_targets(name, cell)
    if not any(cell["status"] == "measured" for cell in cells.values()):
        found.append(Target("at least one cell measured", None, None, None))
    return found


def _cell_targets(name: str, cell: dict[str, Any]) -> Iterator[Target]:
    accuracy = cell["accuracy"]
    if name.rsplit("/", 1)[1] in FLOATS:
        low, high = accuracy["onnxruntime_low"], accuracy["onnxruntime_high"]
        yield Target(f"{name}: top-1 within ONNX Runtime's 95 % interval", accuracy["top1"], low, high)
    for batch, row in cell["batches"].items():
        if row["status"] != "measured":
            continue
        where = f"{name}, batch {batch}"
        yield Target(
            f"{where}: device-only time over the bare replay's",
            row["device_over_bare"],
            1 - REPLAY_TOLERANCE,
            1 + REPLAY_TOLERANCE,
        )
        if int(batch) >= LIMIT_FROM_BATCH:
            yield Target(f"{where}: throughput over its limit", row["throughput_over_limit"], LIMIT_SHARE, None)


def wilson(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson, 1927)."""
    z = 1.959963984540054
    centre = (correct + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * math.sqrt(correct * (count - correct) / count + z * z / 4)
    return centre - half, centre + half


class Bench:
    """The cells of one process, on the first GPU that it sees."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.images = np.load(options.images / "test_images.npy", mmap_mode="r", allow_pickle=False)
        self.labels = np.load(options.images / "test_labels.npy", allow_pickle=False)
        self.reference: dict[str, np.ndarray] = {}

    def cell(self, name: str) -> dict[str, Any]:
        """Measure one cell; whatever goes wrong is its row."""
        from roundoff.errors import Unavailable

        model, precision = name.rsplit("/", 1)
        print(f"{name} …", file=sys.stderr, flush=True)
        started = time.perf_counter()
        try:
            row = self.peer(model) if precision == PEER else self.engine(model, precision)
        except (Unavailable, NotImplementedError) as reason:
            row = {"status": "unavailable", "reason": str(reason)}
        except Exception as error:  # the other cells stand
            row = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
        return row | {"wall_s": time.perf_counter() - started}

    def engine(self, model: str, precision: str) -> dict[str, Any]:
        """Build, load, check and time one precision."""
        from roundoff.backend.trt import Tensorrt
        from roundoff.measurement.lock import device_lock

        backend = Tensorrt(
            module=self.options.module,
            profiles=[[size, size, size] for size in self.options.batches],
            cache=str(self.options.work / "cache"),
        )
        directory = self.options.work / model / precision
        directory.mkdir(parents=True, exist_ok=True)
        built, build_s = timed(lambda: self._build(backend, model, precision, directory))
        runner, first_load_s = timed(lambda: backend.load(directory))
        runner.close()
        runner, load_s = timed(lambda: backend.load(directory))
        with runner, device_lock(runner.device):
            self._keep_inspection(runner, directory)
            row = {
                "status": "measured",
                "device": runner.device,
                "build_s": build_s,
                "first_load_ms": 1e3 * first_load_s,
                "load_ms": 1e3 * load_s,
                "size_mb": (directory / backend.artifact).stat().st_size / 1e6,
                "built": built,
                "loaded_layer_types": runner.layer_types(),
                "accuracy": self._accuracy(model, runner.infer),
            }
            row["batches"] = {
                str(size): self._batch(runner, directory / backend.artifact, size) for size in self.options.batches
            }
            row["memory_mb"] = runner.memory_mb()
        return row

    def _build(self, backend: Any, model: str, precision: str, directory: Path) -> dict[str, Any]:
        import onnx

        from roundoff.backend.base import Source
        from roundoff.calibration.base import CalibrationTable
        from roundoff.errors import Unavailable

        kind = precision_named(precision)
        if refusal := backend.refusal(kind):
            raise Unavailable(refusal)
        table = self.options.tables.get(model)
        if kind.needs_calibration and table is None:
            raise Unavailable(f"no calibration table for {model}: give --table {model}=PATH")
        graph = directory / "graph.onnx"
        ranges = CalibrationTable.load(table) if kind.needs_calibration else None
        onnx.save(kind.convert(onnx.load(self.options.onnx[model]), backend.grid, ranges), graph)
        facts: dict[str, Any] = backend.build(Source(precision, kind, graph, graph, self.images[:1]), directory)
        return facts

    def _keep_inspection(self, runner: Any, directory: Path) -> None:
        (directory / "inspection.json").write_text(runner.inspection())

    def _accuracy(self, model: str, infer: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
        logits, expected = infer(np.asarray(self.images)), self._expected(model)
        correct = int((expected.argmax(1) == self.labels).sum())
        low, high = wilson(correct, len(self.labels))
        return {
            "samples": len(self.labels),
            "top1": float((logits.argmax(1) == self.labels).mean()),
            "onnxruntime_top1": correct / len(self.labels),
            "onnxruntime_low": low,
            "onnxruntime_high": high,
            "agreement": float((logits.argmax(1) == expected.argmax(1)).mean()),
            "relative_error": float(np.linalg.norm(logits - expected) / np.linalg.norm(expected)),
        }

    def _expected(self, model: str) -> np.ndarray:
        """ONNX Runtime's float32 logits of all test images, on the CPU."""
        if model not in self.reference:
            import onnxruntime as ort

            session = ort.InferenceSession(str(self.options.onnx[model]), providers=["CPUExecutionProvider"])
            parts = [self.images[i : i + 256] for i in range(0, len(self.images), 256)]
            self.reference[model] = np.concatenate([session.run(["logits"], {"image": part})[0] for part in parts])
        return self.reference[model]

    def inputs(self, size: int) -> list[np.ndarray]:
        """Rotating batches of real images."""
        chosen = np.random.default_rng(size).integers(0, len(self.images), (ROTATE, size))
        return [np.ascontiguousarray(self.images[np.sort(row)]) for row in chosen]

    def _batch(self, runner: Any, engine: Path, size: int) -> dict[str, Any]:
        from bare import BareReplay

        from roundoff.backend.trt_library import import_tensorrt
        from roundoff.errors import Unavailable

        inputs = self.inputs(size)
        try:
            with runner.bind(inputs) as bound:
                bare = BareReplay(import_tensorrt(self.options.module), engine, inputs[0])
                try:
                    return self._compare(bound, bare, size)
                finally:
                    bare.close()
        except Unavailable as reason:
            return {"status": "unavailable", "reason": str(reason)}

    def _compare(self, bound: Any, bare: Any, size: int) -> dict[str, Any]:
        bound.device_only(20), bound.stream(20), bare.each_ms(20)
        runs = self._runs(float(np.median(bare.each_ms(20))))
        rounds = [self._round(bound, bare, runs, turn) for turn in range(self.options.rounds)]
        ours, theirs, tight, whole, seconds = (np.array(column) for column in zip(*rounds, strict=True))
        copy_in, copy_out = bare.copy_ms(max(5, min(runs, 50)))
        limiting = max(copy_in, copy_out, float(np.median(tight)))
        throughput = size * runs * len(seconds) / float(seconds.sum())
        return {
            "status": "measured",
            "runs": runs * self.options.rounds,
            "device_ms": float(np.median(ours)),
            "bare_ms": float(np.median(theirs)),
            "bare_back_to_back_ms": float(np.median(tight)),
            "device_over_bare": float(np.median(ours / theirs)),
            "end_to_end_ms": float(np.median(whole)),
            "copy_in_ms": copy_in,
            "copy_out_ms": copy_out,
            "throughput_per_s": throughput,
            "limit_per_s": 1e3 * size / limiting,
            "throughput_over_limit": throughput * limiting / 1e3 / size,
            "facts": bound.facts(),
        }

    def _round(self, bound: Any, bare: Any, runs: int, turn: int) -> tuple[float, float, float, float, float]:
        """One median each; which of the two comes first alternates."""
        if turn % 2:
            theirs, ours = np.median(bare.each_ms(runs)), np.median(bound.device_only(runs))
        else:
            ours, theirs = np.median(bound.device_only(runs)), np.median(bare.each_ms(runs))
        tight, whole = bare.back_to_back_ms(runs), np.median(bound.end_to_end(runs))
        return float(ours), float(theirs), tight, float(whole), bound.stream(runs)

    def _runs(self, each_ms: float) -> int:
        return int(np.clip(self.options.round_ms / each_ms, 8, 256))

    def peer(self, model: str) -> dict[str, Any]:
        """torch.compile at float16 on the same network; its figures are shown, not required."""
        import onnx

        from roundoff.errors import Unavailable

        try:
            from peer import CompiledPeer
        except ImportError as error:
            raise Unavailable(f"PyTorch does not load: {error}") from None
        peer = CompiledPeer(onnx.load(self.options.onnx[model]), self.options.peer_mode)
        return {
            "status": "measured",
            "batches": {str(size): self._peer_batch(peer, model, size) for size in self.options.peer_batches},
        }

    def _peer_batch(self, peer: Any, model: str, size: int) -> dict[str, Any]:
        import onnxruntime as ort

        images = self.inputs(size)[0]
        bound = peer.bind(images)
        session = ort.InferenceSession(str(self.options.onnx[model]), providers=["CPUExecutionProvider"])
        few = min(size, 256)
        expected = session.run(["logits"], {"image": images[:few]})[0]
        error = float(np.linalg.norm(bound.answer()[:few] - expected) / np.linalg.norm(expected))
        runs = self._runs(float(np.median(bound.each_ms(20))))
        medians = [float(np.median(bound.each_ms(runs))) for _ in range(self.options.rounds)]
        return {
            "status": "measured",
            "device_ms": float(np.median(medians)),
            "relative_error": error,
            "compile_s": bound.compile_s,
        }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and the seconds that it took."""
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def precision_named(name: str) -> Any:
    """The precision of roundoff with this name, with its defaults."""
    import importlib

    classes = {"int8_fp16": "Int8Fp16"}
    module = importlib.import_module(f"roundoff.precision.{name}")
    return getattr(module, classes.get(name, name.capitalize()))()


def run_here(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Measure the cells in this process."""
    bench = Bench(options)
    return {name: bench.cell(name) for name in options.cells}


def spread(options: argparse.Namespace, arguments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """One process per GPU, each with every n-th cell."""
    with tempfile.TemporaryDirectory() as scratch:
        parts = []
        for device in range(options.devices):
            share = options.cells[device :: options.devices]
            out = Path(scratch) / f"{device}.json"
            command = [sys.executable, __file__, *arguments, "--devices", "1", "--out", str(out), "--cells", *share]
            environment = os.environ | {"CUDA_VISIBLE_DEVICES": _visible(device)}
            command = [word for word in command if word != "--check"]
            parts.append((subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL), out))
        for process, _ in parts:
            if process.wait() != 0:
                raise SystemExit(f"{process.args} ended with {process.returncode}")
        found: dict[str, dict[str, Any]] = {}
        for _, out in parts:
            found |= json.loads(out.read_text())["cells"]
    return {name: found[name] for name in options.cells}


def _visible(device: int) -> str:
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return listed.split(",")[device] if listed else str(device)


def main(arguments: Sequence[str]) -> int:
    """Measure, write the JSON file, print the peers and the targets; 1 if `--check` finds one missed."""
    options = parsed(arguments)
    from roundoff.artifact import write_json
    from roundoff.platform import fingerprint

    started = time.perf_counter()
    cells = spread(options, arguments) if options.devices > 1 else run_here(options)
    required = targets(cells)
    report = {
        "platform": fingerprint(),
        "devices": options.devices,
        "wall_s": time.perf_counter() - started,
        "cells": cells,
        "targets": [asdict(target) | {"met": target.met} for target in required],
    }
    write_json(options.out, report)
    show(cells)
    missed = [target for target in required if not target.met]
    print(f"{len(required) - len(missed)} of {len(required)} targets met; {options.out}")
    for target in missed:
        print(f"MISSED {target.name}: {target.value} (from {target.low} to {target.high})")
    return 1 if options.check and missed else 0


def show(cells: dict[str, dict[str, Any]]) -> None:
    """One line per cell and batch size; the peer's line stands beside ours."""
    for name, cell in cells.items():
        if cell["status"] != "measured":
            print(f"{name}: {cell['status']}: {cell['reason']}")
            continue
        for batch, row in cell["batches"].items():
            if row["status"] != "measured":
                print(f"{name} batch {batch}: {row['status']}: {row['reason']}")
            elif name.endswith(f"/{PEER}"):
                print(f"{name} batch {batch}: {row['device_ms']:.4f} ms, error {row['relative_error']:.1e}")
            else:
                print(
                    f"{name} batch {batch}: {row['device_ms']:.4f} ms, {row['device_over_bare']:.3f} of bare, "
                    f"{row['throughput_per_s']:,.0f} images/s, {row['throughput_over_limit']:.2f} of the limit"
                )


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", action="append", required=True, metavar="NAME=PATH", help="an exported FP32 graph")
    parser.add_argument("--table", action="append", default=[], metavar="NAME=PATH", help="its calibration table")
    parser.add_argument("--images", type=Path, required=True, help="directory with test_images.npy and test_labels.npy")
    parser.add_argument("--module", default="tensorrt_rtx")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "tf32", "fp16", "bf16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32, 1024, 8192])
    parser.add_argument("--peer-batches", nargs="*", type=int, help="default: the same; none given: no peer")
    parser.add_argument(
        "--peer-mode", default="default", help="torch.compile's mode, such as max-autotune-no-cudagraphs"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--round-ms", type=float, default=100.0, help="aim for one mode's share of a round")
    parser.add_argument("--work", type=Path, default=Path("build/gpu"), help="where engines and caches go")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--devices", type=int, default=1, help="GPUs to spread the cells over, one process each")
    parser.add_argument("--cells", nargs="*", help="only these, as NAME/PRECISION")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    options.onnx, options.tables = (dict(_pairs(parser, given)) for given in (options.onnx, options.table))
    if options.peer_batches is None:
        options.peer_batches = options.batches
    if min([*options.batches, options.rounds, options.devices]) < 1:
        parser.error("batch sizes, rounds and devices start at 1")
    options.cells = options.cells or [
        f"{model}/{precision}"
        for model in options.onnx
        for precision in [*options.precisions, *([PEER] if options.peer_batches else [])]
    ]
    return options


def _pairs(parser: argparse.ArgumentParser, given: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for pair in given:
        name, separator, path = pair.partition("=")
        if not separator or not Path(path).is_file():
            parser.error(f"{pair}: expected NAME=PATH of an existing file")
        yield name, Path(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
