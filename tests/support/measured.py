"""Measured cells as `evaluate` finds them, made by hand: every figure follows from the few that a test names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roundoff.measurement.statistics import mcnemar_exact, paired_drop, paired_kept, wilson
from roundoff.results.cell import Accuracy, Batch, CellMetrics, Energy, Speedup
from roundoff.results.message import verbatim
from roundoff.results.platform import Cpu, Platform
from roundoff.results.run import AaControl, Device, Method, Metrics

SAMPLES = 10_000
UNAVAILABLE = CellMetrics(status="unavailable", reason=verbatim("no GPU here"), size_mb=2.0)


def compared(regressed: int = 0, corrected: int = 0, samples: int = SAMPLES) -> Accuracy:
    """The accuracy of a cell whose reference is right on nine of ten images, with so many flips either way."""
    was_correct = 9 * samples // 10
    correct = was_correct - regressed + corrected
    top1, drop = wilson(correct, samples), paired_drop(regressed, corrected, samples)
    agreement = wilson(samples - regressed - corrected, samples)
    relative = paired_kept(was_correct - regressed, regressed, corrected, samples)
    assert relative is not None
    return Accuracy(
        top1=top1.value,
        top1_low=top1.low,
        top1_high=top1.high,
        samples=samples,
        correct=correct,
        nonfinite=0,
        agreement=agreement.value,
        agreement_low=agreement.low,
        agreement_high=agreement.high,
        drop=drop.value,
        drop_low=drop.low,
        drop_high=drop.high,
        relative_accuracy=relative.value,
        relative_accuracy_low=relative.low,
        relative_accuracy_high=relative.high,
        mcnemar_p=mcnemar_exact(regressed, corrected),
        regressed=regressed,
        corrected=corrected,
    )


def alone(accuracy: Accuracy) -> Accuracy:
    """The same without a reference to be compared with."""
    kept = {name: getattr(accuracy, name) for name in ("top1", "top1_low", "top1_high", "samples", "correct")}
    return Accuracy(nonfinite=accuracy.nonfinite, **kept)


def batch(ms: float = 1.0, speedup: float = 1.0, **figures: Any) -> Batch:
    """A batch size that takes `ms` end to end and half of that device-only; intervals are ± 1 %."""
    found = Batch(
        status="measured",
        runs=500,
        end_to_end_p50_ms=ms,
        end_to_end_p50_low_ms=0.99 * ms,
        end_to_end_p50_high_ms=1.01 * ms,
        device_p50_ms=ms / 2,
        device_p50_low_ms=0.99 * ms / 2,
        device_p50_high_ms=1.01 * ms / 2,
        throughput_per_s=1000 / ms,
        throughput_low_per_s=990 / ms,
        throughput_high_per_s=1010 / ms,
        speedup=speedup,
        speedup_low=0.99 * speedup,
        speedup_high=1.01 * speedup,
        round_spread=0.01,
    )
    return replace(found, **figures)


def cell(
    regressed: int = 0,
    corrected: int = 0,
    ms: float = 1.0,
    size: float = 1.0,
    speedup: float = 1.0,
    samples: int = SAMPLES,
    **more: Any,
) -> CellMetrics:
    """A cell that was measured at batch size 1."""
    found = CellMetrics(
        status="measured",
        effective_precision="fp16",
        size_mb=size,
        energy=Energy(reason=verbatim("no meter")),
        accuracy=compared(regressed, corrected, samples),
        batches={1: batch(ms, speedup)},
    )
    return replace(found, **more)


def untimed(measured: CellMetrics) -> CellMetrics:
    """A cell whose accuracy alone is known."""
    return replace(measured, batches={})


def timed(**figures: Any) -> CellMetrics:
    """A cell with other figures at batch size 1."""
    return cell(batches={1: batch(**figures)})


def control(of: str, ratio: float) -> AaControl:
    """A cell against itself that differed by `ratio` at batch size 1."""
    return AaControl(cell=of, batches={1: Speedup(speedup=ratio, end_to_end_speedup=ratio)})


def metrics(aa_control: float = 1.0, platform: str = "one", **cells: CellMetrics) -> Metrics:
    """A run of cells by name, `fp32__ort` for fp32/ort, which is the reference where it is among them."""
    named = {name.replace("__", "/"): content for name, content in cells.items()}
    device = Device(cells=[], aa_control=control("fp32/ort", aa_control))
    return Metrics(
        platform=Platform(id=platform, cpu=Cpu(model=platform)),
        reference="fp32/ort" if "fp32/ort" in named else None,
        method=Method(evaluate={"chance_margin": 0.05}, chance=0.1, devices={"cpu": device}),
        cells=named,
    )
