"""Runs as a report finds them, made by hand: real files in the schema of `roundoff.results`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roundoff.measurement.accuracy import accuracy
from roundoff.report.report import Report
from roundoff.results.build import BuildMetrics
from roundoff.results.cell import Batch, CellMetrics, Energy, Numerics, Speedup
from roundoff.results.checked import as_json
from roundoff.results.legacy import FORMER
from roundoff.results.message import message, verbatim
from roundoff.results.metrics import read_metrics, write_builds, write_metrics, write_verdict
from roundoff.results.platform import Cpu, Platform
from roundoff.results.run import AaControl, Device, Method, Metrics
from roundoff.results.verdict import Verdict
from roundoff.revisions.read import Evidence, Sources, read_evidence
from roundoff.system.files import read_json, write_json
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.once import once

CLASSES = [str(digit) for digit in range(10)]
BACKENDS = {"onnxruntime": 1.0, "litert": 1.6}
NO_GPU = verbatim("the engine needs an NVIDIA GPU, and this machine has none")
PLATFORM = Platform(
    id="0123456789ab",
    system="Linux x86_64",
    python="3.11.9",
    cpu=Cpu(model="Example CPU <v2> @ 2.50GHz", cores=2),
    memory_gb=16,
    libraries={"onnxruntime": "1.32.0", "tensorrt-rtx": "1.7.1"},
)
SPEED = {"fp32": 0.10, "tf32": 0.10, "fp16": 0.13, "int8": 0.07}
FLIPS = {"fp32": 0, "tf32": 0, "fp16": 0, "int8": 9}
SIZE = {"fp32": 0.32, "tf32": 0.32, "fp16": 0.17, "int8": 0.10}
ERROR = {"fp32": 1.2e-7, "fp16": 9e-4, "int8": 3e-2}
REFERENCE_CELL = "fp32/onnxruntime"
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
            sensitivity=self.root / "metrics/sensitivity.csv",
        )

    def verdict(self, **target: Any) -> Verdict:
        return decide(read_metrics(self.sources.metrics), Target(**target))

    def evidence(self, **target: Any) -> Evidence:
        return read_evidence(self.sources, self.verdict(**target))

    def rewrite(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Pass the content of one metrics file to `change` and write it back."""
        path = self.sources.metrics / f"{name}.json"
        content = read_json(path)
        change(content)
        write_json(path, content)

    def answer(self, cell: str, logits: Any) -> None:
        """Give a cell other logits float32 [N, classes], and its metrics the answers that are right."""
        precision, backend = cell.split("/")
        np.save(self.sources.predictions / f"{cell}.npy", logits)
        labels = np.load(self.sources.predictions / "labels.npy")
        found = as_json(accuracy(logits, labels, None))
        shown = {name: found[name] for name in ("top1", "top1_low", "top1_high", "correct", "nonfinite")}
        reference = self.sources.predictions / f"{REFERENCE_CELL}.npy"
        if reference.exists():
            shown["agreement"] = float(np.mean(logits.argmax(1) == np.load(reference).argmax(1)))
        self.rewrite(precision, lambda content: content[backend]["accuracy"].update(shown))

    def rewrite_all(self, change: Callable[[dict[str, Any]], object]) -> None:
        """`rewrite` every metrics file of cells, which share their head."""
        for name in ("fp32", "fp16", "int8", "more"):
            self.rewrite(name, change)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run with all that a report shows, written once; never changed."""
    return Run(once(tmp_path_factory, "pristine", lambda folder: write_run(folder / "run", 360, 12)) / "run")


@pytest.fixture
def run(pristine: Run, tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    shutil.copytree(pristine.root, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture(scope="session", params=["en", "ja"])
def whole_report(request: Any, pristine: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole report in each language."""
    language: str = request.param

    def write(folder: Path) -> None:
        output = folder / language
        Report(language=language).run(pristine.sources, pristine.verdict(), output, output / "plots")

    return once(tmp_path_factory, f"report-{language}", write) / language


def write_run(root: Path, samples: int, wrong: int) -> Run:
    """Write a run of onnxruntime, litert and a tensorrt_rtx without its GPU; `wrong` of `samples` are misjudged."""
    run = Run(root)
    sources, random = run.sources, np.random.default_rng(0)
    labels = random.integers(0, 10, samples)
    _prepared(sources.prepared, labels, random)
    sources.predictions.mkdir(parents=True)
    np.save(sources.predictions / "labels.npy", labels)
    reference = _logits(labels, wrong, random)
    write_metrics(_metrics(sources, labels, reference, random), sources.metrics)
    _builds(sources.metrics)
    _tables(sources)
    write_verdict(run.verdict(), sources.metrics)
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
    rounds |= {"round_load": np.repeat(np.arange(6), 2), "round_stream_s": 0.06 * rounds["round_end_to_end_ms"]}
    return {"device_ms": device.ravel(), "end_to_end_ms": end_to_end.ravel(), **rounds}


def _batch(samples: dict[str, Any], wide: dict[str, Any], batch: int, **more: Any) -> Batch:
    """The figures of one batch size; `wide` are the samples of the same backend's FP32."""
    figures: dict[str, Any] = {}
    for clock, ratio in (("device", "speedup"), ("end_to_end", "end_to_end_speedup")):
        own = samples[f"{clock}_ms"]
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
            figures[f"{clock}_{name}_ms"] = float(np.quantile(own, share))
        median = figures[f"{clock}_p50_ms"]
        figures |= {f"{clock}_p50_low_ms": 0.997 * median, f"{clock}_p50_high_ms": 1.003 * median}
        gain = float(np.median(wide[f"{clock}_ms"])) / median
        figures |= {ratio: gain, f"{ratio}_low": 0.996 * gain, f"{ratio}_high": 1.004 * gain}
    rate = 980 * batch / figures["device_p50_ms"]
    figures |= {"throughput_per_s": rate, "throughput_low_per_s": 0.99 * rate, "throughput_high_per_s": 1.01 * rate}
    figures |= {"round_spread": 0.01, "cv": 0.014, "runs": 720, "rounds": 12, "loads": 6, "measured_s": 3.1}
    return Batch(status="measured", stop_reason="target", **figures, **more)


def _metrics(sources: Sources, labels: Any, reference: Any, random: Any) -> Metrics:
    cells: dict[str, CellMetrics] = {}
    wide: dict[tuple[str, int], dict[str, Any]] = {}
    for precision in SPEED:
        no_gpu = CellMetrics(status="unavailable", reason=NO_GPU, size_mb=SIZE[precision])
        cells[f"{precision}/tensorrt_rtx"] = no_gpu
        for backend in BACKENDS:
            if precision == "tf32":
                reason = verbatim(f"{backend} has no TF32 on a CPU")
                cells[f"{precision}/{backend}"] = CellMetrics(status="unavailable", reason=reason)
                continue
            logits = reference if precision == "fp32" else _flipped(reference, FLIPS[precision], random)
            predictions = sources.predictions / precision / f"{backend}.npy"
            predictions.parent.mkdir(parents=True, exist_ok=True)
            np.save(predictions, logits)
            cells[f"{precision}/{backend}"] = CellMetrics(
                status="measured",
                effective_precision=precision,
                size_mb=SIZE[precision] * BACKENDS[backend],
                load_ms=9.1,
                numerics=Numerics(relative_error=ERROR[precision]),
                accuracy=accuracy(logits, labels, reference),
                energy=Energy(reason=verbatim("the counter is not readable")),
                batches=_batches(sources, precision, backend, wide, random),
            )
    return Metrics(platform=PLATFORM, reference=REFERENCE_CELL, method=_method(), cells=cells)


def _batches(
    sources: Sources, precision: str, backend: str, wide: dict[tuple[str, int], dict[str, Any]], random: Any
) -> dict[int, Batch]:
    """Each batch size, its raw timings written; FP32's are kept in `wide`."""
    found = {}
    for batch in BATCHES:
        samples = _samples(SPEED[precision] * BACKENDS[backend] * batch**0.9, random)
        if precision == "fp32":
            wide[backend, batch] = samples
        host_bound = (precision, batch, backend) == ("int8", 1, "litert")
        warnings = [message("host_bound", enqueue_ms=0.12, device_ms=0.112)] if host_bound else []
        found[batch] = _batch(samples, wide[backend, batch], batch, warnings=warnings)
        raw = sources.timings / precision / backend / f"batch_{batch}.npz"
        raw.parent.mkdir(parents=True, exist_ok=True)
        np.savez(raw, **samples)
    return found


def _builds(metrics: Path) -> None:
    for precision in SPEED:
        seconds = {"tensorrt_rtx": 4.2} | ({} if precision == "tf32" else dict.fromkeys(BACKENDS, 1.2))
        builds = {backend: BuildMetrics(status="built", build_s=value) for backend, value in seconds.items()}
        write_builds(precision, builds, metrics)


def _method() -> Method:
    low, middle, high = 0.998, 1.001, 1.003
    same = Speedup(
        speedup=middle,
        speedup_low=low,
        speedup_high=high,
        end_to_end_speedup=middle,
        end_to_end_speedup_low=low,
        end_to_end_speedup_high=high,
    )
    cpu = Device(
        cells=[f"{name}/{backend}" for name in SPEED if name != "tf32" for backend in BACKENDS],
        loads=6,
        rounds=12,
        repeated_rounds=0,
        waited_s=0.0,
        conditions_reason=message("clocks_on_gpus_only"),
        aa_control=AaControl(cell=REFERENCE_CELL, batches=dict.fromkeys(BATCHES, same)),
    )
    evaluate = {"batch_sizes": list(BATCHES), "chance_margin": 0.05, "warmup_ms": 200.0, "warmup_runs": 10}
    precisions = {name: FORMER[name] for name in SPEED}
    return Method(evaluate=evaluate, precisions=precisions, chance=0.125, devices={"cpu": cpu})


def _tables(sources: Sources) -> None:
    curves = ["epoch,loss,accuracy,val_loss,val_accuracy,learning_rate"]
    curves += [f"{n},{2.3 / n},{1 - 0.8 / n},{2.4 / n},{0.98 - 0.8 / n},0.1" for n in range(1, 11)]
    assert sources.curves is not None
    sources.curves.write_text("\n".join(curves) + "\n")
    noise = ["tensor,kind,sqnr_db,low,high"]
    noise += [f"resnet8/stack_{n}/conv2d_{n}/Conv2D:0,activation,{18 + n},-0.5,{3 + n}" for n in range(14)]
    noise += [f"resnet8/stack_{n}/conv2d_{n}/kernel,weight,{36 + n},-0.2,0.3" for n in range(14)]
    sources.noise.write_text("\n".join(noise) + "\n")
    calibrated = {"method": "entropy", "images": 320, "held_out": 64, "tensors": 14, "warnings": []}
    write_json(sources.metrics / "calibrate.json", calibrated)
