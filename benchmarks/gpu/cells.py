"""The cells of the GPU benchmark: one precision of one model, built, loaded, checked and timed; or the peer."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np

from benchmarks.gpu.batch import Batches, PeerBatch
from benchmarks.gpu.targets import PEER, wilson
from roundoff.backend.torch_compile.backend import TorchCompile
from roundoff.backend.trt.library import OUT_OF_MEMORY
from roundoff.errors import Unavailable
from roundoff.measurement.effective_precision import Rounding, label
from roundoff.results.build import BuildInfo
from roundoff.results.checked import as_json
from roundoff.system.files import sha256_of, whole_file

CONF = Path(__file__).parents[2] / "conf/precision"
INPUT_BUFFERS = 4
TEST_IMAGES = "test_images.npy"


class Bench:
    """The cells of one process, on the first GPU that it sees."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.images = np.load(options.images / TEST_IMAGES, mmap_mode="r", allow_pickle=False)
        self.labels = np.load(options.images / "test_labels.npy", allow_pickle=False)
        self.reference: dict[str, np.ndarray] = {}

    def cell(self, name: str) -> dict[str, Any]:
        """Measure one cell; whatever goes wrong is its row. The device's lock is held, build and loads included."""
        from roundoff.backend import cuda
        from roundoff.system.device_lock import device_lock

        model, precision = name.rsplit("/", 1)
        print(f"{name} …", file=sys.stderr, flush=True)
        started, waited_s = time.perf_counter(), 0.0
        try:
            if missing := cuda.absence():
                raise Unavailable(missing)
            with device_lock(cuda.use_first_device()) as alone:
                waited_s = alone.waited_s
                row = self.peer(model) if precision == PEER else self.engine(model, precision)
        except (Unavailable, NotImplementedError) as reason:
            row = {"status": "unavailable", "reason": str(reason)}
        except Exception as error:  # the other cells stand
            row = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
        return row | {"wall_s": time.perf_counter() - started, "waited_s": waited_s}

    def engine(self, model: str, precision: str) -> dict[str, Any]:
        """Build, load, check and time one precision, all under the device's lock."""
        directory, backend = self._directory(model, precision), self._backend()
        info, build_s = self._build(backend, model, precision, directory)
        first = self._first_load(backend, directory)
        runner, load_s = timed(lambda: backend.load(directory))
        with runner:
            (directory / "inspection.json").write_text(runner.inspection())
            accuracy, logits = self._accuracy(model, runner.infer)
            row = {
                "status": "measured",
                "effective_precision": self._label(model, precision, accuracy["relative_error"]),
                "device": runner.device,
                "build_s": build_s,
                **first,
                "load_ms": 1e3 * load_s,
                "load_runtime_cache_warm": runner.cache_was_warm,
                "size_mb": (directory / backend.artifact).stat().st_size / 1e6,
                "build_info": as_json(info),
                "loaded_layer_types": as_json(runner.layer_types()),
                "accuracy": accuracy,
            }
        load = partial(backend.load, directory)
        name, engine = f"{model}/{precision}", directory / backend.artifact
        bench = Batches(self.options, name, load, engine, logits, accuracy)
        row["batches"] = bench.rows(self.images, {size: self.inputs(size) for size in self.options.batches})
        row["memory_mb"] = bench.memory_mb
        return row

    def _backend(self, cache: Path | None = None) -> Any:
        from roundoff.backend.trt.backend import Tensorrt

        return Tensorrt(
            module=self.options.module,
            batch_sizes=self.options.batches,
            cache=str(cache or self.options.cache),
        )

    def _directory(self, model: str, precision: str) -> Path:
        directory: Path = self.options.work / model / precision
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _first_load(self, backend: Any, directory: Path) -> dict[str, Any]:
        """The first load's milliseconds, and whether its kernels had been compiled before (never with --cold)."""
        with tempfile.TemporaryDirectory() as empty:
            first = self._backend(Path(empty)) if self.options.cold else backend
            runner, seconds = timed(lambda: first.load(directory))
            with runner:
                kept = self.options.cache / runner.cache_file.name
                if runner.cache_file.exists() and not kept.exists():
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(runner.cache_file, kept)
                return {"first_load_ms": 1e3 * seconds, "first_load_runtime_cache_warm": runner.cache_was_warm}

    def _build(self, backend: Any, model: str, precision: str, directory: Path) -> tuple[BuildInfo, float]:
        """What the backend says of the engine, and its build's seconds, conversion of the graph not counted."""
        import onnx

        from roundoff.backend.base import Source
        from roundoff.calibration.observing.table import CalibrationTable

        kind = precision_named(precision)
        if refusal := backend.refusal(kind):
            raise Unavailable(refusal)
        table = self.options.tables.get(model)
        if kind.needs_calibration and table is None:
            raise Unavailable(f"no calibration table for {model}: give --table {model}=PATH")
        graph = directory / "graph.onnx"
        ranges = CalibrationTable.load(table) if kind.needs_calibration else None
        onnx.save(kind.convert(onnx.load(self.options.onnx[model]), backend.grid, ranges), graph)
        source = Source(precision, kind, graph, None, self.images[:1])
        return timed(lambda: backend.build(source, directory))

    def _label(self, model: str, precision: str, error: float) -> str:
        """What it computes in, by its error."""
        rounding = Rounding(Path(self.options.onnx[model]), self.images, self._expected(model))
        return label(precision, error, f"{model}/{precision}", precision_named(precision).full_width, rounding)

    def _accuracy(self, model: str, infer: Callable[[np.ndarray], np.ndarray]) -> tuple[dict[str, Any], np.ndarray]:
        """What the engine makes of all test images, and its logits."""
        logits, expected = infer(np.asarray(self.images)), self._expected(model)
        correct = int((expected.argmax(1) == self.labels).sum())
        low, high = wilson(correct, len(self.labels))
        found = {
            "samples": len(self.labels),
            "top1": float((logits.argmax(1) == self.labels).mean()),
            "onnxruntime_top1": correct / len(self.labels),
            "onnxruntime_low": low,
            "onnxruntime_high": high,
            "agreement": float((logits.argmax(1) == expected.argmax(1)).mean()),
            "relative_error": float(np.linalg.norm(logits - expected) / np.linalg.norm(expected)),
        }
        return found, logits

    def _expected(self, model: str) -> np.ndarray:
        """ONNX Runtime's float32 logits of all test images, on the CPU; kept in the cache for the next process."""
        kept = self.options.cache / f"reference-{self._reference_key(model)}.npy"
        if model not in self.reference:
            if not kept.exists():
                with whole_file(kept) as partial, partial.open("wb") as file:
                    np.save(file, self._run_onnxruntime(model), allow_pickle=False)
            self.reference[model] = np.load(kept, allow_pickle=False)
        return self.reference[model]

    def _reference_key(self, model: str) -> str:
        import onnxruntime as ort

        parts = (sha256_of(self.options.onnx[model]), sha256_of(self.options.images / TEST_IMAGES), ort.__version__)
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]

    def _run_onnxruntime(self, model: str) -> np.ndarray:
        import onnxruntime as ort

        session = ort.InferenceSession(str(self.options.onnx[model]), providers=["CPUExecutionProvider"])
        parts = [self.images[i : i + 256] for i in range(0, len(self.images), 256)]
        return np.concatenate([session.run(["logits"], {"image": part})[0] for part in parts])

    def inputs(self, size: int) -> np.ndarray:
        """Indices [INPUT_BUFFERS, size] of the test images that are the rotating inputs."""
        chosen = np.random.default_rng(size).integers(0, len(self.images), (INPUT_BUFFERS, size))
        return np.sort(chosen, axis=1)

    def peer(self, model: str) -> dict[str, Any]:
        """torch.compile at float16 on the same graph, beside our FP16 engine; its figures are shown, not required."""
        backend = TorchCompile(batch_sizes=self.options.peer_batches, mode=self.options.peer_mode)
        directory = self._directory(model, PEER)
        info, build_s = self._build(backend, model, "fp16", directory)
        row: dict[str, Any] = {"status": "measured", "mode": backend.mode, "build_s": build_s}
        row["build_info"] = as_json(info)
        with ExitStack() as stack:
            peer, load_s = timed(lambda: stack.enter_context(backend.load(directory)))
            ours, row["reason_alone"] = self._opponent(model, stack)
            compare = PeerBatch(self.options, self._expected(model), ours)
            row["load_ms"] = 1e3 * load_s
            row["batches"] = {str(size): self._peer_batch(peer, compare, size) for size in self.options.peer_batches}
        return row

    def _opponent(self, model: str, stack: ExitStack) -> tuple[Any, str | None]:
        """Our FP16 engine, built and loaded, to be timed in turn with the peer; None, and why, where there is none."""
        try:
            directory = self._directory(model, "fp16")
            self._build(self._backend(), model, "fp16", directory)
            return stack.enter_context(self._backend().load(directory)), None
        except Unavailable as reason:
            return None, str(reason)

    def _peer_batch(self, peer: Any, compare: PeerBatch, size: int) -> dict[str, Any]:
        rows = self.inputs(size)
        try:
            with peer.bind([np.ascontiguousarray(self.images[row]) for row in rows]) as bound:
                return compare.row(bound, self.images, rows)
        except Unavailable as reason:
            return {"status": "unavailable", "reason": str(reason)}
        except RuntimeError as error:
            if OUT_OF_MEMORY.search(str(error)):
                return {"status": "unavailable", "reason": str(error).splitlines()[0]}
            raise


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and the seconds that it took."""
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def precision_named(name: str) -> Any:
    """The precision that conf/precision/NAME.yaml names, with its defaults; where this runs, YAML may not be read."""
    lines = (CONF / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    target = next(line.removeprefix("_target_: ") for line in lines if line.startswith("_target_: "))
    return resolve_name(target)()
