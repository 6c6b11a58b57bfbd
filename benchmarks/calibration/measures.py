"""What peers.py measures: accuracy on the whole test split in two runtimes, and cost, in turns."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx

from benchmarks import quantizers
from benchmarks.calibration import recipes
from benchmarks.calibration.recipes import in_own_process, onnxruntime_inference
from benchmarks.jobs import shared_out
from benchmarks.sources import sha256_of_sources
from roundoff.dataset.base import Images, Labels, Prepared
from roundoff.graph.queries import model_hash
from roundoff.measurement.statistics import paired_drop

RUNTIMES = ("onnxruntime", "openvino")
LARGE = 4096
ENTROPY = "roundoff entropy"
PEER = "onnxruntime entropy"
ROUNDS = 5

Row = dict[str, Any]


def code_sha256() -> str:
    """SHA-256 of the sources that decide what a recipe makes of a model: rows of other sources are not these rows."""
    return sha256_of_sources(("calibration", "precision", "graph"), [Path(recipes.__file__), Path(quantizers.__file__)])


@dataclass(frozen=True)
class Case:
    """One quantization: of the model at `path`; `told` is what its rows say of it."""

    path: Path
    told: Row


@dataclass(frozen=True)
class Accuracy:
    """How accuracy is measured: recipes by model, calibration seeds and images, test images."""

    prepared: Path
    recipes: dict[str, list[str]]
    runtimes: Sequence[str]
    seeds: int
    images: int
    test_images: int

    def run(self, models: dict[str, Path], known: list[Row], jobs: int = 1) -> Iterator[Row]:
        """Yield a row per model, seed, recipe and runtime, those in `known` unmeasured; recipes take turns by seed.

        A row has the agreement with FP32, top-1, its paired drop with a 95 % interval, and the cost of quantizing.
        `jobs` processes share the work, each on processors of its own; rows come as they are done.
        """
        missing = []
        for case in self._cases(models):
            rows = [row for row in known if case.told.items() <= row.items() and row["runtime"] in self.runtimes]
            yield from rows
            runtimes = [runtime for runtime in self.runtimes if all(row["runtime"] != runtime for row in rows)]
            if runtimes:
                missing.append((case, runtimes))
        for rows in shared_out(self._measured, missing, jobs, "quantizations"):
            yield from rows

    def _cases(self, models: dict[str, Path]) -> Iterator[Case]:
        test_images = len(_test(self.prepared, self.test_images)[1])
        for name, path in models.items():
            told = {
                "model": name,
                "model_sha256": model_hash(onnx.load(path)),
                "code_sha256": code_sha256(),
                "images": self.images,
                "test_images": test_images,
            }
            for seed in range(self.seeds):
                for recipe in self.recipes[name]:
                    yield Case(path, {**told, "seed": seed, "recipe": recipe})

    def _measured(self, work: tuple[Case, list[str]]) -> list[Row]:
        case, runtimes = work
        images, labels = _test(self.prepared, self.test_images)
        reference = _reference(case.path, self.prepared, self.test_images)
        cost, quantized = self._quantized(case.told["recipe"], case.path, case.told["seed"])
        classes = {runtime: logits(runtime, quantized, images).argmax(1) for runtime in runtimes}
        return [
            {**case.told, "runtime": runtime, **cost, **compared(found, reference, labels)}
            for runtime, found in classes.items()
        ]

    def _quantized(self, recipe: str, path: Path, seed: int) -> tuple[dict[str, float], onnx.ModelProto]:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "int8.onnx"
            cost = in_own_process(recipe, self.images, path, self.prepared, seed, target)
            return cost, onnx.load(target)


@cache
def _test(prepared: Path, count: int) -> tuple[Images, Labels]:
    test = Prepared(prepared).split("test")
    picked = np.linspace(0, len(test.labels), min(count, len(test.labels)), endpoint=False).astype(int)
    return np.ascontiguousarray(test.images[picked]), test.labels[picked]


@cache
def _reference(path: Path, prepared: Path, count: int) -> Any:
    """Classes int64 [n] that FP32 answers."""
    return logits("onnxruntime", onnx.load(path), _test(prepared, count)[0]).argmax(1)


def logits(runtime: str, model: onnx.ModelProto, images: Images) -> Any:
    """Logits float32 [n, classes] of the graph in `onnxruntime` or in `openvino`'s CPU plugin."""
    infer = onnxruntime_inference(model) if runtime == "onnxruntime" else _openvino_inference(model)
    return np.concatenate([infer(np.ascontiguousarray(images[i : i + 250])) for i in range(0, len(images), 250)])


def compared(found: Any, reference: Any, labels: Labels) -> dict[str, float]:
    """Agreement, top-1 and its paired drop, as fractions, of predicted classes against FP32's and the labels."""
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


def measure_cost(path: Path, prepared: Path, recipes: Sequence[str]) -> dict[str, Any]:
    """Seconds and peak memory over 4,096 images, each in a process of its own, in rounds that measure each once.

    `samples` has every measurement, `medians` their medians. `seconds_over` has for each recipe its seconds over those
    of `roundoff entropy`, the median of the rounds' ratios: what slows a whole round leaves them alone.
    """
    plan = [*((name, LARGE) for name in recipes), (ENTROPY, 320), (ENTROPY, 16_384)]
    samples: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for name, count in plan:
            cost = in_own_process(name, count, path, prepared)
            samples.setdefault(f"{name}, {count} images", []).append(cost)
            print(f"{name}, {count} images: {json.dumps(cost)}", file=sys.stderr, flush=True)
    ours = samples[f"{ENTROPY}, {LARGE} images"]
    return {
        "samples": samples,
        "medians": {
            name: {key: median(sample[key] for sample in found) for key in ("seconds", "cpu_seconds", "peak_mb")}
            for name, found in samples.items()
        },
        "seconds_over": {
            name: median(
                theirs["seconds"] / own["seconds"]
                for theirs, own in zip(samples[f"{name}, {LARGE} images"], ours, strict=True)
            )
            for name in recipes
        },
    }


def _openvino_inference(model: onnx.ModelProto) -> Callable[[Images], Any]:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        onnx.save(model, Path(folder) / "model.onnx")
        core = openvino.Core()
        compiled = core.compile_model(
            core.read_model(Path(folder) / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
    return lambda batch: compiled(batch)[0]
