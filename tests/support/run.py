"""Runs as a report finds them, made by hand: real files in the schema of docs/architecture.md."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roundoff.measurement.accuracy import accuracy
from roundoff.report.report import Report
from roundoff.results.metrics import read_metrics
from roundoff.revisions.read import Evidence, Sources, read_evidence
from roundoff.system.files import read_json, write_json
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target

CLASSES = [str(digit) for digit in range(10)]
NO_GPU = "the engine needs an NVIDIA GPU, and this machine has none"
PLATFORM = {
    "id": "0123456789ab",
    "system": "Linux x86_64",
    "python": "3.11.9",
    "cpu": {"model": "Example CPU <v2> @ 2.50GHz", "cores": 2},
    "memory_gb": 16,
    "gpus": [],
    "driver": None,
    "cuda": None,
    "libraries": {"onnxruntime": "1.32.0", "tensorrt-rtx": "1.7.1"},
}
SPEED = {"fp32": 0.10, "tf32": 0.10, "fp16": 0.13, "int8": 0.07}
FLIPS = {"fp32": 0, "tf32": 0, "fp16": 0, "int8": 9}
SIZE = {"fp32": 0.32, "tf32": 0.32, "fp16": 0.17, "int8": 0.10}
BATCHES = (1, 32)


@dataclass(frozen=True)
class Run:
    """A run's files."""

    root: Path

    @property
    def sources(self) -> Sources:
        return Sources(
            metrics=self.root / "metrics",
            predictions=self.root / "data/predictions",
            timings=self.root / "data/timings",
            prepared=self.root / "data/prepared",
            curves=self.root / "metrics/curves.csv",
            noise=self.root / "metrics/noise.csv",
        )

    def verdict(self, **target: Any) -> dict[str, Any]:
        return decide(read_metrics(self.sources.metrics), Target(**target))

    def evidence(self, **target: Any) -> Evidence:
        return read_evidence(self.sources, self.verdict(**target))

    def rewrite(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Pass the content of one metrics file to `change` and write it back."""
        path = self.sources.metrics / f"{name}.json"
        content = read_json(path)
        change(content)
        write_json(path, content)

    def rewrite_all(self, change: Callable[[dict[str, Any]], object]) -> None:
        """`rewrite` every metrics file of cells, which share their head."""
        for name in ("fp32", "fp16", "int8", "more"):
            self.rewrite(name, change)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: Any) -> Run:
    """One run with all that a report shows, written once; never changed."""
    return write_run(tmp_path_factory.mktemp("pristine") / "run", samples=360, wrong=12)


@pytest.fixture
def run(pristine: Run, tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    shutil.copytree(pristine.root, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture(scope="session", params=["en", "ja"])
def written(request: Any, pristine: Run) -> Path:
    """The folder of a whole report in each language."""
    output: Path = pristine.root.parent / request.param
    Report(language=request.param).run(pristine.sources, pristine.verdict(), output, output / "plots")
    return output


def write_run(root: Path, samples: int, wrong: int) -> Run:
    """Write a run of onnxruntime, litert and a tensorrt_rtx without its GPU; `wrong` of `samples` are misjudged."""
    run = Run(root)
    sources, random = run.sources, np.random.default_rng(0)
    labels = random.integers(0, 10, samples)
    _prepared(sources.prepared, labels, random)
    sources.predictions.mkdir(parents=True)
    np.save(sources.predictions / "labels.npy", labels)
    reference = _logits(labels, wrong, random)
    _cells(sources, labels, reference, random)
    _tables(sources)
    write_json(sources.metrics / "verdict.json", run.verdict())
    return run


def _prepared(directory: Path, labels: Any, random: Any) -> None:
    directory.mkdir(parents=True)
    images = (random.random((len(labels), 16, 16, 3)) * 60).astype(np.uint8)
    images[:, 3:13, 3:13] += (labels * 18)[:, None, None, None].astype(np.uint8)
    np.save(directory / "test_images.npy", images)
    np.save(directory / "test_labels.npy", labels)
    manifest = {
        "classes": CLASSES,
        "counts": {"train": 1437, "test": len(labels)},
        "seed": 0,
        "calibration_indices": list(range(0, 1400, 2)),
        "duplicates": {"count": 1, "train_indices": [3]},
    }
    write_json(directory / "manifest.json", manifest)


def _logits(labels: Any, wrong: int, random: Any) -> Any:
    guesses = labels.copy()
    moved = random.choice(len(labels), wrong, replace=False)
    guesses[moved] = (guesses[moved] + 1) % 10
    return np.eye(10, dtype=np.float32)[guesses] * 8 + random.normal(0, 0.1, (len(labels), 10)).astype(np.float32)


def _flipped(logits: Any, count: int, random: Any) -> Any:
    moved = logits.copy()
    chosen = random.choice(len(logits), count, replace=False)
    moved[chosen] = np.roll(moved[chosen], 3, axis=1)
    return moved


def _samples(ms: float, random: Any) -> dict[str, Any]:
    """Raw timings in ms of 12 rounds of 60 runs."""
    drift = 1 + 0.01 * np.sin(np.arange(12))[:, None]
    device = ms * drift * random.lognormal(0, 0.012, (12, 60))
    end_to_end = 1.05 * ms * drift * random.lognormal(0, 0.015, (12, 60))
    rounds = {"round_ms": np.median(device, axis=1), "round_end_to_end_ms": np.median(end_to_end, axis=1)}
    rounds["round_load"] = np.repeat(np.arange(6), 2)
    return {"device_ms": device.ravel(), "end_to_end_ms": end_to_end.ravel(), **rounds}


def _batch(samples: dict[str, Any], wide: dict[str, Any], batch: int) -> dict[str, Any]:
    """The metrics of one batch size, as docs/architecture.md lists them."""
    found: dict[str, Any] = {"reason": None}
    for clock, ratio in (("device", "speedup"), ("end_to_end", "end_to_end_speedup")):
        own = samples[f"{clock}_ms"]
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
            found[f"{clock}_{name}_ms"] = float(np.quantile(own, share))
        median = found[f"{clock}_p50_ms"]
        found |= {f"{clock}_p999_ms": None}
        found |= {f"{clock}_p50_low_ms": 0.997 * median, f"{clock}_p50_high_ms": 1.003 * median}
        gain = float(np.median(wide[f"{clock}_ms"])) / median
        found |= {ratio: gain, f"{ratio}_low": 0.996 * gain, f"{ratio}_high": 1.004 * gain}
    rate = 980 * batch / found["device_p50_ms"]
    found |= {"throughput_per_s": rate, "throughput_low_per_s": 0.99 * rate, "throughput_high_per_s": 1.01 * rate}
    found |= {"round_spread": 0.01, "variation": 0.014, "runs": 720, "rounds": 12, "seconds": 3.1}
    return found | {"stopped": "target", "warnings": [], "facts": {}}


def _cells(sources: Sources, labels: Any, reference: Any, random: Any) -> None:
    head = {"platform": PLATFORM, "reference": "fp32/onnxruntime", "method": _method()}
    files: dict[str, dict[str, Any]] = {name: copy.deepcopy(head) for name in ("fp32", "fp16", "int8", "more")}
    files["more"]["tf32"] = {}
    wide: dict[tuple[str, int], dict[str, Any]] = {}
    for precision in SPEED:
        target = files["more"]["tf32"] if precision == "tf32" else files[precision]
        target["tensorrt_rtx"] = {"status": "unavailable", "reason": NO_GPU, "size_mb": SIZE[precision]}
        for backend, factor in (("onnxruntime", 1.0), ("litert", 1.6)):
            if precision == "tf32":
                reason = f"{backend} has no TF32 on a CPU"
                target[backend] = {"status": "unavailable", "reason": reason}
                continue
            logits = reference if precision == "fp32" else _flipped(reference, FLIPS[precision], random)
            target[backend] = _cell(sources, precision, backend, factor, logits, labels, reference, wide, random)
    for name, content in files.items():
        write_json(sources.metrics / f"{name}.json", content)
    for precision in SPEED:
        seconds = {"tensorrt_rtx": 4.2} | ({} if precision == "tf32" else {"onnxruntime": 1.2, "litert": 1.2})
        builds = {backend: {"status": "built", "build_s": value} for backend, value in seconds.items()}
        write_json(sources.metrics / f"build-{precision}.json", builds)


def _cell(
    sources: Sources,
    precision: str,
    backend: str,
    factor: float,
    logits: Any,
    labels: Any,
    reference: Any,
    wide: dict[tuple[str, int], dict[str, Any]],
    random: Any,
) -> dict[str, Any]:
    predictions = sources.predictions / precision / f"{backend}.npy"
    predictions.parent.mkdir(parents=True, exist_ok=True)
    np.save(predictions, logits)
    cell: dict[str, Any] = {
        "status": "measured",
        "reason": None,
        "label": precision,
        "size_mb": SIZE[precision] * factor,
        "load_ms": 9.1,
        "memory_mb": None,
        "numerics": {"relative_error": {"fp32": 1.2e-7, "fp16": 9e-4, "int8": 3e-2}[precision], "layer_types": None},
        "accuracy": accuracy(logits, labels, reference),
        "energy": {"mj_per_image": None, "reason": "the counter is not readable"},
    }
    for batch in BATCHES:
        samples = _samples(SPEED[precision] * factor * batch**0.9, random)
        if precision == "fp32":
            wide[backend, batch] = samples
        cell[f"batch_{batch}"] = _batch(samples, wide[backend, batch], batch)
        if (precision, batch, backend) == ("int8", 1, "litert"):
            cell["batch_1"]["warnings"] = ["host-bound: enqueueing takes 0.12 ms, the device 0.112 ms"]
        raw = sources.timings / precision / backend / f"batch_{batch}.npz"
        raw.parent.mkdir(parents=True, exist_ok=True)
        np.savez(raw, **samples)
    return cell


def _method() -> dict[str, Any]:
    speedup = {"speedup": 1.001, "speedup_low": 0.998, "speedup_high": 1.003}
    batch = {**speedup, **{f"end_to_end_{key}": value for key, value in speedup.items()}}
    control = {"cell": "fp32/onnxruntime", **{f"batch_{size}": batch for size in BATCHES}}
    cells = [f"{name}/{backend}" for name in SPEED if name != "tf32" for backend in ("onnxruntime", "litert")]
    cpu = {"cells": cells, "loads": 6, "rounds": 12, "repeated_rounds": 0, "waited_s": 0.0, "conditions": None}
    cpu |= {"conditions_reason": "clocks and throttling are read on NVIDIA GPUs only", "control": control}
    evaluate = {"batch_sizes": list(BATCHES), "chance_margin": 0.05, "warmup_ms": 200.0, "warmup_runs": 10}
    return {"evaluate": evaluate, "chance": 0.125, "devices": {"cpu": cpu}}


def _tables(sources: Sources) -> None:
    curves = ["epoch,loss,accuracy,val_loss,val_accuracy,learning_rate"]
    curves += [f"{n},{2.3 / n},{1 - 0.8 / n},{2.4 / n},{0.98 - 0.8 / n},0.1" for n in range(1, 11)]
    sources.curves.write_text("\n".join(curves) + "\n")
    noise = ["tensor,kind,sqnr_db,low,high"]
    noise += [f"resnet8/stack_{n}/conv2d_{n}/Conv2D:0,activation,{18 + n},-0.5,{3 + n}" for n in range(14)]
    noise += [f"resnet8/stack_{n}/conv2d_{n}/kernel,weight,{36 + n},-0.2,0.3" for n in range(14)]
    sources.noise.write_text("\n".join(noise) + "\n")
    calibrated = {"method": "entropy", "images": 320, "held_out": 64, "tensors": 14, "warnings": []}
    write_json(sources.metrics / "calibrate.json", calibrated)
