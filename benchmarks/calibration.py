"""How good, how fast and how small is calibration, beside ONNX Runtime's and NVIDIA Model Optimizer's?

    python benchmarks/calibration.py --prepared data/prepared --models resnet8=models/onnx/model.onnx [NAME=PATH ...]
        [--seeds 3] [--images 320] [--test-images 10000] [--recipes NAMES] [--parts accuracy,cost]
        [--check] [--out FILE]

Accuracy: every recipe quantizes every model from the same seeded training images onto TensorRT's grid (int8, symmetric,
weights per channel); the graphs run in ONNX Runtime and in OpenVINO's CPU runtime. Recipes take turns, seed by seed.
Cost: seconds and peak memory over the first model, each measurement in a process of its own, in rounds.
Peers come from the dependency group `peers`; one that is not installed is named under `not_run`. With --check, exits 1
and names each target that was missed; a target that could not be measured counts as missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx

from roundoff.calibration.base import CalibrationTable, Calibrator
from roundoff.calibration.best import Best
from roundoff.calibration.entropy import Entropy
from roundoff.calibration.graph import model_hash, observed_tensors
from roundoff.calibration.histogram import Histogram
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError
from roundoff.calibration.observe import histograms, in_batches
from roundoff.calibration.percentile import Percentile
from roundoff.calibration.run import choose_range
from roundoff.dataset.base import Images, Labels, Prepared
from roundoff.measurement.statistics import paired_drop
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.progress import track

BATCH = 32
DEFAULT = "roundoff entropy"
METHODS: dict[str, Calibrator] = {
    f"roundoff {method.name}": method for method in (Entropy(), MinMax(), Percentile(), MeanSquaredError(), Best())
}
ORT_RECIPES = {
    "onnxruntime minmax": ("MinMax", False),
    "onnxruntime entropy": ("Entropy", False),
    "onnxruntime percentile": ("Percentile", False),
    "onnxruntime percentile, Conv and Add only": ("Percentile", True),
}
MODELOPT_RECIPES = {"modelopt entropy": "entropy", "modelopt max": "max"}
RUNTIMES = ("onnxruntime", "openvino")
COSTS = ("forward pass", DEFAULT, "onnxruntime entropy", "onnxruntime minmax", "modelopt entropy")
LARGE = 4096


def quantized(recipe: str, path: Path, images: Images, indices: Sequence[int]) -> onnx.ModelProto:
    """The model at `path` in INT8 by a recipe, calibrated on training images uint8 [N, H, W, C] at `indices`."""
    chosen = np.asarray(indices, np.int64)
    if recipe in METHODS:
        return _by_roundoff(METHODS[recipe], path, images, chosen)
    if recipe in ORT_RECIPES:
        return _by_onnxruntime(*ORT_RECIPES[recipe], path, images[chosen])
    return _by_modelopt(MODELOPT_RECIPES[recipe], path, images[chosen])


def _by_roundoff(method: Calibrator, path: Path, images: Images, indices: Any) -> onnx.ModelProto:
    model = onnx.load(path)
    names = observed_tensors(model)
    seen = histograms(model, names, in_batches(images, indices, BATCH))
    held_out: dict[str, Histogram] = seen
    if isinstance(method, Best):
        spare = np.setdiff1d(np.arange(len(images)), indices)[:: len(images) // 128]
        held_out = histograms(model, names, in_batches(images, spare, BATCH))
    ranges = {name: choose_range(method, seen[name], held_out[name]) for name in names}
    table = CalibrationTable(ranges, {"model_sha256": model_hash(model)})
    return Int8().convert(model, Grid(), table)


def _by_onnxruntime(method: str, narrow: bool, path: Path, images: Images) -> onnx.ModelProto:
    from onnxruntime import quantization as ortq

    class Reader(ortq.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[Images] = iter(np.split(images, range(BATCH, len(images), BATCH)))

        def get_next(self) -> dict[str, Images] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"image": batch}

    options = {"ActivationSymmetric": True, "WeightSymmetric": True, "AddQDQPairToWeight": False, "QuantizeBias": False}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        ortq.quantize_static(
            path,
            target,
            Reader(),
            quant_format=ortq.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add"] if narrow else None,
            per_channel=True,
            activation_type=ortq.QuantType.QInt8,
            weight_type=ortq.QuantType.QInt8,
            calibrate_method=ortq.CalibrationMethod[method],
            extra_options=options,
        )
        return onnx.load(target)


def _by_modelopt(method: str, path: Path, images: Images) -> onnx.ModelProto:
    from modelopt.onnx.quantization import quantize

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        quantize(
            str(path),
            quantize_mode="int8",
            calibration_data={"image": images},
            calibration_method=method,
            calibration_eps=["cpu"],
            high_precision_dtype="fp32",
            output_path=str(target),
            log_level="ERROR",
        )
        return onnx.load(target)


def logits(runtime: str, model: onnx.ModelProto, images: Images) -> Any:
    """Logits float32 [n, classes] of the graph in `onnxruntime` or in `openvino`'s CPU plugin."""
    infer = _onnxruntime(model) if runtime == "onnxruntime" else _openvino(model)
    return np.concatenate([infer(np.ascontiguousarray(images[i : i + 250])) for i in range(0, len(images), 250)])


def _onnxruntime(model: onnx.ModelProto) -> Callable[[Images], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"image": batch})[0]


def _openvino(model: onnx.ModelProto) -> Callable[[Images], Any]:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        onnx.save(model, Path(folder) / "model.onnx")
        core = openvino.Core()
        compiled = core.compile_model(
            core.read_model(Path(folder) / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
    return lambda batch: compiled(batch)[0]


def measure_accuracy(
    models: dict[str, Path],
    prepared: Prepared,
    recipes: Sequence[str],
    runtimes: Sequence[str],
    chosen: argparse.Namespace,
) -> list[dict[str, Any]]:
    """A row per model, seed, recipe and runtime: agreement with FP32, top-1, its paired drop, seconds to quantize."""
    test = prepared.split("test")
    picked = np.linspace(0, len(test.labels), min(chosen.test_images, len(test.labels)), endpoint=False).astype(int)
    images, labels = np.ascontiguousarray(test.images[picked]), test.labels[picked]
    rows = []
    for name, path in models.items():
        reference = logits("onnxruntime", onnx.load(path), images).argmax(1)
        for seed in range(chosen.seeds):
            for recipe in track(recipes, f"{name}, seed {seed}"):
                with tempfile.TemporaryDirectory() as folder:
                    target = Path(folder) / "int8.onnx"
                    cost = _in_own_process(recipe, chosen.images, path, chosen.prepared, seed, target)
                    model = onnx.load(target)
                for runtime in runtimes:
                    found = _compared(logits(runtime, model, images).argmax(1), reference, labels)
                    row = {"model": name, "seed": seed, "recipe": recipe, "runtime": runtime, **cost, **found}
                    print(json.dumps(row), file=sys.stderr, flush=True)
                    rows.append(row)
    return rows


def _compared(found: Any, reference: Any, labels: Labels) -> dict[str, float]:
    right, before = found == labels, reference == labels
    drop = paired_drop(int((before & ~right).sum()), int((right & ~before).sum()), len(labels))
    return {
        "agreement": float((found == reference).mean()),
        "top1": float(right.mean()),
        "top1_fp32": float(before.mean()),
        "drop": drop.value,
        "drop_low": drop.low,
        "drop_high": drop.high,
    }


def measure_cost(path: Path, directory: Path, names: Sequence[str], rounds: int = 3) -> dict[str, Any]:
    """Median seconds and peak memory of each name over 4,096 images, and of the default over 320 and 16,384."""
    plan = [(name, LARGE) for name in names] + [(DEFAULT, 320), (DEFAULT, 16_384), ("forward pass", 16_384)]
    samples: dict[str, list[dict[str, float]]] = {}
    for turn in range(rounds):
        for name, count in plan:
            if turn and name not in ("forward pass", DEFAULT):
                continue
            cost = _in_own_process(name, count, path, directory)
            samples.setdefault(f"{name}, {count} images", []).append(cost)
            print(f"{name}, {count} images: {cost}", file=sys.stderr, flush=True)
    return {
        name: {key: median(sample[key] for sample in found) for key in ("seconds", "cpu_seconds", "peak_mb")}
        for name, found in samples.items()
    }


def _in_own_process(
    name: str, count: int, path: Path, directory: Path, seed: int = 0, target: Path | None = None
) -> dict[str, float]:
    """`measure_one` in a fresh process: Model Optimizer patches ONNX Runtime's calibrators for whoever comes after."""
    command = [sys.executable, __file__, "--one", name, str(count), str(path), "--prepared", str(directory)]
    command += ["--seed", str(seed), *(["--write", str(target)] if target else [])]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        raise RuntimeError(f"{name} failed on {path}:\n{finished.stderr[-2000:]}")
    cost: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return cost


def measure_one(
    name: str, count: int, path: Path, images: Images, seed: int = 0, target: Path | None = None
) -> dict[str, float]:
    """Seconds, and this process's peak of anonymous memory in MB, for one recipe; writes its model to `target`."""
    indices = np.random.default_rng(seed).permutation(len(images))[:count]
    with contextlib.redirect_stdout(sys.stderr):
        _import_for(name)
        memory = _Memory()
        started, cpu = time.perf_counter(), time.process_time()
        if name == "forward pass":
            infer = _onnxruntime(onnx.load(path))
            for batch in in_batches(images, indices, BATCH):
                infer(batch)
        else:
            model = quantized(name, path, images, indices.tolist())
            if target:
                onnx.save(model, target)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": memory.peak(),
    }


class _Memory:
    """Watches this process's anonymous memory, which leaves out the pages of the memory-mapped images."""

    def __init__(self, interval_s: float = 0.005) -> None:
        self._most, self._stop = 0.0, threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=(interval_s,), daemon=True)
        self._watcher.start()

    def peak(self) -> float:
        """The most memory since the start, in MB."""
        self._stop.set()
        self._watcher.join()
        return self._most

    def _watch(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            status = Path("/proc/self/status").read_text()
            kilobytes = int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])
            self._most = max(self._most, kilobytes * 1024 / 1e6)


def _import_for(name: str) -> None:
    """Load the libraries first: the clock should see calibration alone."""
    import onnxruntime

    if name in ORT_RECIPES:
        import onnxruntime.quantization  # noqa: F401
    if name in MODELOPT_RECIPES:
        import modelopt.onnx.quantization  # noqa: F401


def targets(result: dict[str, Any]) -> dict[str, bool]:
    """Each target in words, and whether it was met."""
    met: dict[str, bool] = {}
    rows, cost = result.get("accuracy", []), result.get("cost", {})
    for name in result["models"]:
        for runtime in RUNTIMES:
            here = [row for row in rows if row["model"] == name and row["runtime"] == runtime]
            means = {recipe: _mean(here, recipe, "agreement") for recipe in {row["recipe"] for row in here}}
            ours = means.pop(DEFAULT, 0.0)
            drops = [row["drop_high"] for row in here if row["recipe"] == DEFAULT]
            peers = {recipe: mean for recipe, mean in means.items() if not recipe.startswith("roundoff")}
            met[f"{name} on {runtime}: agreement {ours:.4f} is at least 0.97"] = ours >= 0.97
            worst = max(drops, default=1.0)
            met[f"{name} on {runtime}: drop of top-1 with its interval, {100 * worst:.2f} points, is at most 0.5"] = (
                worst <= 0.005
            )
            best = max(peers, key=lambda recipe: peers[recipe], default="any peer")
            met[f"{name} on {runtime}: {ours:.4f} is not below {best} ({peers.get(best, 1.0):.4f})"] = (
                bool(peers) and ours >= peers[best]
            )
    return met | _cost_targets(cost)


def _cost_targets(cost: dict[str, Any]) -> dict[str, bool]:
    def of(name: str, key: str, count: int = LARGE) -> float:
        return float(cost.get(f"{name}, {count} images", {}).get(key, float("nan")))

    ratio = of(DEFAULT, "seconds") / of("forward pass", "seconds")
    extra = of(DEFAULT, "peak_mb") - of("forward pass", "peak_mb")
    growth = of(DEFAULT, "peak_mb", 16_384) - of(DEFAULT, "peak_mb", 320)
    faster = of("onnxruntime entropy", "seconds") / of(DEFAULT, "seconds")
    smaller = (of("onnxruntime entropy", "peak_mb") - of("forward pass", "peak_mb")) / max(extra, 1.0)
    return {
        f"entropy takes {ratio:.2f} times a forward pass, at most 2.5": ratio <= 2.5,
        f"entropy takes {extra:.0f} MB above a forward pass, at most 60": extra <= 60,
        f"memory grows by {growth:.0f} MB from 320 to 16,384 images, at most 10": growth <= 10,
        f"{faster:.1f} times faster than ONNX Runtime's entropy, at least 6": faster >= 6,
        f"{smaller:.0f} times smaller than ONNX Runtime's entropy, at least 40": smaller >= 40,
    }


def _mean(rows: list[dict[str, Any]], recipe: str, key: str) -> float:
    return float(np.mean([row[key] for row in rows if row["recipe"] == recipe]))


def installed() -> dict[str, str | None]:
    """Versions of the libraries compared; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for package in ("onnx", "onnxruntime", "nvidia-modelopt", "openvino", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, print, check; the exit code."""
    chosen = _parsed(arguments)
    prepared = Prepared(chosen.prepared)
    if chosen.one:
        name, count, path = chosen.one
        print(
            json.dumps(
                measure_one(name, int(count), Path(path), prepared.split("train").images, chosen.seed, chosen.write)
            )
        )
        return 0
    models = {name: Path(path) for name, _, path in (entry.partition("=") for entry in chosen.models)}
    recipes = chosen.recipes.split(";") if chosen.recipes else [*METHODS, *ORT_RECIPES, *MODELOPT_RECIPES]
    not_run = [] if find_spec("modelopt") else [recipe for recipe in recipes if recipe in MODELOPT_RECIPES]
    runtimes = [runtime for runtime in RUNTIMES if find_spec(runtime)]
    recipes = [recipe for recipe in recipes if recipe not in not_run]
    result: dict[str, Any] = {
        "models": list(models),
        "versions": installed(),
        "not_run": [*not_run, *(runtime for runtime in RUNTIMES if runtime not in runtimes)],
    }
    if "accuracy" in chosen.parts:
        result["accuracy"] = measure_accuracy(models, prepared, recipes, runtimes, chosen)
        result["agreement"] = _summary(result["accuracy"])
    if "cost" in chosen.parts:
        costs = [name for name in COSTS if name not in not_run]
        result["cost"] = measure_cost(next(iter(models.values())), chosen.prepared, costs)
    met = targets(result)
    result["targets"], result["missed"] = met, [name for name, good in met.items() if not good]
    text = json.dumps(result, indent=2, ensure_ascii=False)
    chosen.out.write_text(text + "\n", encoding="utf-8") if chosen.out else print(text)
    for name in [*result["missed"], *(f"{name} was not run" for name in result["not_run"])]:
        print(f"missed: {name}", file=sys.stderr)
    return 1 if chosen.check and result["missed"] else 0


def _summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    keys = sorted({(row["model"], row["runtime"]) for row in rows})
    return {
        f"{model} on {runtime}": {
            recipe: _mean([r for r in rows if (r["model"], r["runtime"]) == (model, runtime)], recipe, "agreement")
            for recipe in dict.fromkeys(row["recipe"] for row in rows)
        }
        for model, runtime in keys
    }


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, required=True, help="the prepare stage's directory")
    parser.add_argument("--models", nargs="+", metavar="NAME=PATH", default=[], help="ONNX models; the first is timed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--test-images", type=int, default=10_000)
    parser.add_argument("--recipes", help="names separated by semicolons; all of them by default")
    parser.add_argument("--parts", default="accuracy,cost", help="accuracy, cost, or both")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--out", type=Path, help="write the JSON there instead of printing it")
    parser.add_argument("--one", nargs=3, metavar=("RECIPE", "COUNT", "MODEL"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
