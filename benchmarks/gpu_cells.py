"""The cells of the GPU benchmark: one precision of one model, built, loaded, checked and timed; or the peer."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gpu_targets import PEER, wilson

ROTATE = 4


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
            cache=str(self.options.cache or self.options.work / "cache"),
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
                kernels = runner.cache_file.read_bytes() if runner.cache_file.exists() else b""
                bare = BareReplay(import_tensorrt(self.options.module), engine, inputs[0], kernels)
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
    classes = {"int8_fp16": "Int8Fp16"}
    module = importlib.import_module(f"roundoff.precision.{name}")
    return getattr(module, classes.get(name, name.capitalize()))()
