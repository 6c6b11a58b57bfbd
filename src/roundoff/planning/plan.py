"""The plan of a run: the test images that each cell's verdict needs, and the loads and seconds of each speed-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.samples import medians_by_load
from roundoff.planning.images import POWER, Flips, images_needed
from roundoff.planning.loads import FEWEST_IN_PILOT, loads_needed
from roundoff.results.cell import Batch
from roundoff.results.run import Metrics
from roundoff.results.verdict import Requirements
from roundoff.system.arrays import number_series, unreadable
from roundoff.system.slots import REFERENCE_PRECISION

WRITER = "evaluate"
ASSUMED_FLIPS = (0.002, 0.005, 0.01, 0.02, 0.05)
"""Shares of images whose right or wrong changes, for a plan without a pilot: FP16 to a rough INT8."""


@dataclass(frozen=True)
class ImagePlan:
    """Test images for a verdict on one cell, which flips the shares `regressed` and `corrected` of all images.

    `expected` holds at the pilot's loss, `without_loss` if the precision loses nothing; both with the pilot's flips at
    their upper limit. None: more than 10^8, since the loss lies at the target. `pilot` is None for an assumption.
    """

    cell: str
    pilot: int | None
    regressed: float
    corrected: float
    expected: int | None
    without_loss: int | None


@dataclass(frozen=True)
class SpeedPlan:
    """Loads and seconds for one speed-up, its FP32's seconds included; None: more loads than 20,000.

    `half_width` is what the pilot's `pilot_loads` came to, as a share.
    """

    cell: str
    batch_size: int
    pilot_loads: int
    half_width: float
    loads: int | None
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """A plan for FP32's `accuracy`; `available` are the test images that the pilot had, None without one."""

    target: Requirements
    power: float
    within: float
    accuracy: float
    available: int | None
    images: tuple[ImagePlan, ...]
    speeds: tuple[SpeedPlan, ...]
    seconds: float | None

    @property
    def most_images(self) -> int | None:
        """What decides all cells, as far as images can; None where none are known to."""
        return max((each.expected for each in self.images if each.expected is not None), default=None)


def plan_from_pilot(metrics: Metrics, timings: Path, target: Requirements, within: float) -> Plan:
    """From the metrics of a run and its raw timings (none where there is no such folder)."""
    flips = {
        name: seen
        for name, cell in metrics.cells.items()
        if cell.accuracy and name != metrics.reference and (seen := Flips.seen(cell.accuracy))
    }
    accuracy = metrics.cells[metrics.reference].accuracy if metrics.reference in metrics.cells else None
    speeds = tuple(_speeds(metrics, timings, within))
    return Plan(
        target=target,
        power=POWER,
        within=within,
        accuracy=accuracy.top1 if accuracy else 0.0,
        available=accuracy.all_images if accuracy else None,
        images=tuple(_image_plan(name, each, target) for name, each in flips.items()),
        speeds=speeds,
        seconds=_seconds(metrics, speeds),
    )


def plan_from_assumptions(accuracy: float, shares: Sequence[float], target: Requirements, within: float) -> Plan:
    """Without a pilot: FP32's accuracy and shares of flips, as many either way."""
    images = tuple(_image_plan("", Flips.assumed(accuracy, share), target) for share in shares)
    return Plan(target, POWER, within, accuracy, None, images, (), None)


def _image_plan(cell: str, flips: Flips, target: Requirements) -> ImagePlan:
    cautious = flips.cautious
    return ImagePlan(
        cell=cell,
        pilot=flips.pilot,
        regressed=flips.regressed,
        corrected=flips.corrected,
        expected=images_needed(cautious, target),
        without_loss=images_needed(cautious.without_loss, target),
    )


def _speeds(metrics: Metrics, timings: Path, within: float) -> Iterator[SpeedPlan]:
    for name, cell in metrics.cells.items():
        precision, backend = name.split("/")
        wide = f"{REFERENCE_PRECISION}/{backend}"
        if precision == REFERENCE_PRECISION or wide not in metrics.cells:
            continue
        for size, batch in cell.timed_batches.items():
            beside = metrics.cells[wide].timed_batches.get(size)
            ratios = _ratios(timings / wide / f"batch_{size}.npz", timings / name / f"batch_{size}.npz")
            if beside is not None and len(ratios) >= FEWEST_IN_PILOT:
                yield _speed_plan(name, size, (batch, beside), ratios, within)


def _speed_plan(
    name: str, size: int, batches: tuple[Batch, Batch], ratios: NDArray[np.float64], within: float
) -> SpeedPlan:
    batch = batches[0]
    ends = (batch.speedup or 1.0, batch.speedup_low or 1.0, batch.speedup_high or 1.0)
    loads = loads_needed(ratios, within)
    seconds = None if loads is None else loads * sum(map(_seconds_a_load, batches))
    return SpeedPlan(name, size, len(ratios), max(ends[2] / ends[0] - 1, 1 - ends[1] / ends[0]), loads, seconds)


def _ratios(reference: Path, candidate: Path) -> NDArray[np.float64]:
    """Speed-ups by load, as `paired_speedup` has them, float64 [loads]; empty where there are none of one run."""
    if not reference.exists() or not candidate.exists():
        return np.empty(0)
    (wide_load, wide_ms), (load, ms) = _rounds(reference), _rounds(candidate)
    beside = wide_ms[np.isin(wide_load, load)]
    if len(beside) != len(ms):  # of two runs
        return np.empty(0)
    return medians_by_load(beside / ms, load)


def _rounds(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The load and the time in ms of each round, [rounds]; both empty where single runs alone were timed."""
    series = number_series(path, WRITER)
    load, ms = (series.get(name, np.empty(0)) for name in ("round_load", "round_ms"))
    if len(load) != len(ms) or not np.isfinite(load).all() or not np.isfinite(ms).all() or not (ms > 0).all():
        received = f"round_load and round_ms of {len(load)} and {len(ms)} values, or what is no time among them"
        raise unreadable(path, received, "a load and a time above 0 for each round", WRITER)
    return load.astype(np.int64), ms


def _seconds_a_load(batch: Batch) -> float:
    return (batch.measured_s or 0.0) / max(batch.loads, 1)


def _seconds(metrics: Metrics, speeds: Sequence[SpeedPlan]) -> float | None:
    """Of all cells and their FP32, each for as many loads as its widest comparison needs; None without a plan."""
    loads: dict[tuple[str, int], int] = {}
    for each in speeds:
        if each.loads is None:
            return None
        for name in (each.cell, f"{REFERENCE_PRECISION}/{each.cell.split('/')[1]}"):
            loads[name, each.batch_size] = max(loads.get((name, each.batch_size), 0), each.loads)
    timed = _by_entry(metrics)
    return sum(count * _seconds_a_load(timed[entry]) for entry, count in loads.items()) if loads else None


def _by_entry(metrics: Metrics) -> Mapping[tuple[str, int], Batch]:
    return {(name, size): batch for name, cell in metrics.cells.items() for size, batch in cell.timed_batches.items()}
