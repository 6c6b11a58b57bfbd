"""Accuracy of a cell: clearly above chance, and within the target by the interval of the paired comparison."""

from __future__ import annotations

from collections.abc import Callable

from roundoff.measurement.accuracy import beats_chance, least_accuracy
from roundoff.measurement.statistics import Interval, paired_drop, paired_kept, samples_to_decide, wilson_at
from roundoff.results.cell import Accuracy
from roundoff.results.message import Message, message
from roundoff.results.run import Metrics
from roundoff.results.values import Outcome
from roundoff.results.verdict import Criterion, Requirements

MOST_SAMPLES = 10**8


def accuracy_criteria(name: str, metrics: Metrics, target: Requirements) -> list[Criterion]:
    """The criteria on the accuracy of a measured cell; what is no better than chance is asked nothing else."""
    accuracy = metrics.cells[name].accuracy
    if accuracy is None:
        return [_unknown("accuracy", target.min_relative_accuracy, message("unknown"))]
    chance = _chance_criteria(accuracy, metrics.method.chance, metrics.method.chance_margin)
    if any(criterion.verdict == "fail" for criterion in chance):
        return chance
    if name == metrics.reference:
        return [*chance, _reference_criterion()]
    return chance + _target_criteria(accuracy, target)


def _unknown(name: str, limit: float | None, reason: Message) -> Criterion:
    return Criterion(name=name, verdict="undecided", limit=limit, reason=reason)


def _chance_criteria(accuracy: Accuracy, chance: float | None, margin: float | None) -> list[Criterion]:
    """None where the accuracy is clearly above chance; it fails where its whole interval is not."""
    if chance is None or margin is None:
        return [_unknown("chance", None, message("chance_unknown"))]
    if beats_chance(accuracy.top1_low, chance, margin):
        return []
    least = least_accuracy(chance, margin)
    verdict: Outcome = "fail" if accuracy.top1_high <= least else "undecided"
    top1 = Interval(accuracy.top1, accuracy.top1_low, accuracy.top1_high)
    return [_bounded("chance", verdict, least, top1)]


def _reference_criterion() -> Criterion:
    """The reference keeps all of its own accuracy."""
    return Criterion(name="accuracy", verdict="pass", limit=1.0, value=1.0, low=1.0, high=1.0, bounds="exact")


def _target_criteria(accuracy: Accuracy, target: Requirements) -> list[Criterion]:
    share, points = target.min_relative_accuracy, target.max_drop_points
    drop = _interval(accuracy.drop, accuracy.drop_low, accuracy.drop_high, scale=100)
    if drop is None:
        return [_unknown("accuracy", share, message("no_reference"))]
    criteria = [] if share is None else [_relative_criterion(accuracy, share)]
    criteria += [] if points is None else [_drop_criterion(accuracy, drop, points)]
    return (
        criteria if target.min_agreement is None else [*criteria, _agreement_criterion(accuracy, target.min_agreement)]
    )


def _relative_criterion(accuracy: Accuracy, least: float) -> Criterion:
    name = "min_relative_accuracy"
    relative = _interval(accuracy.relative_accuracy, accuracy.relative_accuracy_low, accuracy.relative_accuracy_high)
    if relative is None:
        return _unknown(name, least, message("reference_never_right"))
    regressed, corrected = _flips(accuracy)
    both = accuracy.correct - corrected

    def at(scale: float, z: float) -> Interval | None:
        return paired_kept(both * scale, regressed * scale, corrected * scale, accuracy.samples * scale, z)

    verdict: Outcome = "pass" if relative.low >= least else "fail" if relative.high < least else "undecided"
    return _bounded(name, verdict, least, relative, _samples_needed(verdict, at, least, accuracy.samples))


def _drop_criterion(accuracy: Accuracy, drop: Interval, most: float) -> Criterion:
    """`drop` and `most` are percentage points."""
    regressed, corrected = _flips(accuracy)

    def at(scale: float, z: float) -> Interval:
        return paired_drop(regressed * scale, corrected * scale, accuracy.samples * scale, z)

    verdict: Outcome = "pass" if drop.high <= most else "fail" if drop.low > most else "undecided"
    needed = _samples_needed(verdict, at, most / 100, accuracy.samples)
    return _bounded("max_drop_points", verdict, most, drop, needed)


def _agreement_criterion(accuracy: Accuracy, least: float) -> Criterion:
    name = "min_agreement"
    agreement = _interval(accuracy.agreement, accuracy.agreement_low, accuracy.agreement_high)
    if agreement is None:
        return _unknown(name, least, message("unknown"))

    def at(scale: float, z: float) -> Interval:
        return wilson_at(agreement.value, accuracy.samples * scale, z)

    verdict: Outcome = "pass" if agreement.low >= least else "fail" if agreement.high < least else "undecided"
    return _bounded(name, verdict, least, agreement, _samples_needed(verdict, at, least, accuracy.samples))


def _flips(accuracy: Accuracy) -> tuple[int, int]:
    return accuracy.regressed or 0, accuracy.corrected or 0


def _samples_needed(
    verdict: Outcome, at: Callable[[float, float], Interval | None], limit: float, samples: int
) -> int | None:
    return samples_to_decide(at, limit, samples, MOST_SAMPLES) if verdict == "undecided" else None


def _bounded(name: str, verdict: Outcome, limit: float, figure: Interval, needed: int | None = None) -> Criterion:
    return Criterion(
        name=name,
        verdict=verdict,
        limit=limit,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        bounds="interval",
        samples_needed=needed,
    )


def _interval(value: float | None, low: float | None, high: float | None, scale: float = 1) -> Interval | None:
    return None if value is None or low is None or high is None else Interval(scale * value, scale * low, scale * high)
