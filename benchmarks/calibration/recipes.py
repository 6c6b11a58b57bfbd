"""The recipes that benchmarks/calibration/peers.py compares: each turns an FP32 model and training images into INT8.

Run as a program it makes one measurement, in a process of its own: Model Optimizer patches ONNX Runtime's calibrators
for whoever comes after it, and peak memory is a process's. `in_own_process` starts it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml

from benchmarks.commands import ROOT, environment
from benchmarks.quantizers import BATCH, by_modelopt, by_onnxruntime
from roundoff.calibration.base import Calibrator
from roundoff.calibration.best import Best
from roundoff.calibration.entropy import Entropy
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError
from roundoff.calibration.observing.choosing import choose_range
from roundoff.calibration.observing.observe import histograms, in_batches
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.calibration.percentile import Percentile
from roundoff.dataset.base import Images, Prepared
from roundoff.dataset.preparing.stratified import stratified_indices
from roundoff.graph.observed import observed_tensors
from roundoff.graph.queries import model_hash
from roundoff.graph.sessions import with_exact_products
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8

METHODS: dict[str, Calibrator] = {
    f"roundoff {method.name}": method for method in (Entropy(), MinMax(), Percentile(), MeanSquaredError(), Best())
}
ORT_RECIPES: dict[str, tuple[str, dict[str, float], list[str] | None]] = {
    "onnxruntime minmax": ("MinMax", {}, None),
    "onnxruntime entropy": ("Entropy", {}, None),
    "onnxruntime percentile": ("Percentile", {}, None),
    "onnxruntime percentile, Conv and Add only": ("Percentile", {}, ["Conv", "Add"]),
    "onnxruntime percentile 99.99": ("Percentile", {"CalibPercentile": 99.99}, None),
    "onnxruntime percentile 99.99, Conv and Add only": ("Percentile", {"CalibPercentile": 99.99}, ["Conv", "Add"]),
}
"""Method, options beside the common ones (percentile is 99.999 without), the operators to quantize if not all."""
MODELOPT_RECIPES = {"modelopt entropy": "entropy", "modelopt max": "max"}
RECIPES = (*METHODS, *ORT_RECIPES, *MODELOPT_RECIPES)
FLOOR = "forward pass"


def default_recipe() -> str:
    """The calibration method that conf/config.yaml names."""
    conf = yaml.safe_load((ROOT / "conf" / "config.yaml").read_text(encoding="utf-8"))
    return next(f"roundoff {entry['calibrate']}" for entry in conf["defaults"] if "calibrate" in entry)


def in_own_process(
    recipe: str, count: int, model: Path, prepared: Path, seed: int = 0, target: Path | None = None
) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory in MB of one recipe over `count` images; its model goes to `target`."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.calibration.recipes",
        recipe,
        str(count),
        str(model),
        str(prepared),
        "--seed",
        str(seed),
    ]
    command += ["--write", str(target)] if target else []
    finished = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if finished.returncode:
        raise RuntimeError(f"{recipe} failed on {model}:\n{finished.stderr[-2000:]}")
    cost: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return cost


def quantized(recipe: str, path: Path, images: Images, indices: Any) -> onnx.ModelProto:
    """The model at `path` in INT8 by a recipe, calibrated on training images uint8 [N, H, W, C] at `indices`."""
    if recipe in METHODS:
        return _by_roundoff(METHODS[recipe], path, images, indices)
    if recipe in ORT_RECIPES:
        return by_onnxruntime(path, images[indices], *ORT_RECIPES[recipe])
    return by_modelopt(path, images[indices], MODELOPT_RECIPES[recipe])


def few_threads(onnxruntime: Any) -> None:
    """A process with fewer processors than the machine: sessions get as many threads, also those that peers make.

    By itself ONNX Runtime starts a thread for each core of the machine, and they spin on the few that are there.
    """
    own, make = len(os.sched_getaffinity(0)), onnxruntime.InferenceSession.__init__
    if own >= (os.cpu_count() or 1) or hasattr(make, "__wrapped__"):
        return

    @functools.wraps(make)
    def made(session: Any, model: Any, sess_options: Any = None, *rest: Any, **more: Any) -> None:
        options = sess_options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.intra_op_num_threads or own
        make(session, model, options, *rest, **more)

    onnxruntime.InferenceSession.__init__ = made


def onnxruntime_inference(model: onnx.ModelProto) -> Callable[[Images], Any]:
    """A function from images uint8 [n, H, W, C] to logits float32 [n, classes], on the CPU."""
    import onnxruntime

    few_threads(onnxruntime)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with_exact_products(options)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"image": batch})[0]


def _by_roundoff(method: Calibrator, path: Path, images: Images, indices: Any) -> onnx.ModelProto:
    model = onnx.load(path)
    names = observed_tensors(model)
    seen = histograms(model, names, in_batches(images, indices, BATCH))
    held_out = seen
    if method.compares_held_out:
        rest = np.setdiff1d(np.arange(len(images)), indices)
        held_out = histograms(model, names, in_batches(images, rest[:: len(rest) // method.held_out], BATCH))
    ranges = {name: choose_range(method, seen[name], held_out[name]) for name in names}
    return Int8().convert(model, Grid(), CalibrationTable(ranges, Provenance(model_sha256=model_hash(model))))


class _Memory:
    """Watches this process's anonymous memory, which leaves out the pages of the memory-mapped images."""

    def __init__(self, interval_s: float = 0.005) -> None:
        self._most, self._stop = 0.0, threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=(interval_s,), daemon=True)
        self._watcher.start()

    def peak(self) -> float:
        """The most memory since the start, in MB (10^6 bytes)."""
        self._stop.set()
        self._watcher.join()
        return self._most

    def _watch(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            status = Path("/proc/self/status").read_text()
            kilobytes = int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])
            self._most = max(self._most, kilobytes * 1024 / 1e6)


def _import_for(recipe: str) -> None:
    """Load the libraries first: the clock should see calibration alone."""
    import onnxruntime

    few_threads(onnxruntime)

    if recipe in ORT_RECIPES:
        import onnxruntime.quantization
    if recipe in MODELOPT_RECIPES:
        import modelopt.onnx.quantization  # noqa: F401


def _measure(recipe: str, path: Path, images: Images, indices: Any, target: Path | None) -> dict[str, float]:
    with contextlib.redirect_stdout(sys.stderr):
        _import_for(recipe)
        memory = _Memory()
        started, cpu = time.perf_counter(), time.process_time()
        if recipe == FLOOR:
            infer = onnxruntime_inference(onnx.load(path))
            for batch in in_batches(images, indices, BATCH):
                infer(batch)
        else:
            model = quantized(recipe, path, images, indices)
            if target:
                onnx.save(model, target)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": memory.peak()}


def main(arguments: Sequence[str]) -> int:
    """Make one measurement and print it as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=[FLOOR, *RECIPES])
    parser.add_argument("count", type=int)
    parser.add_argument("model", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args(arguments)
    train = Prepared(chosen.prepared).split("train")
    indices = stratified_indices(train.labels, chosen.count, chosen.seed)
    print(json.dumps(_measure(chosen.recipe, chosen.model, train.images, indices, chosen.write)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
