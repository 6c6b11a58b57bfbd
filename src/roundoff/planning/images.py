"""How many test images a verdict needs, from the accuracy of FP32 and how many answers a precision flips.

The verdict passes or fails a cell where its paired interval leaves the target out. n images are enough where that
interval, at the rates expected and with z(97.5 %) + z(power) in place of z(97.5 %), leaves it out: the sample size of a
score test on paired proportions (Nam, Biometrics 53, 1997, 1422-1430, and Nam and Blackwelder, Stat. Med. 21, 2002,
689-699), with the variance at the target in place of both variances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Self

from roundoff.measurement.statistics import Interval, Z, paired_drop, paired_kept, smallest_passing, wilson_at
from roundoff.results.cell import Accuracy
from roundoff.results.verdict import Requirements

POWER = 0.8
MOST_IMAGES = 10**8


@dataclass(frozen=True)
class Flips:
    """Shares of all images: FP32's right answers, those of them that turn wrong, wrong ones that turn right.

    `agreement` is the share of answers that stay, right or wrong; `pilot` the images that these were seen on, None
    where they are assumed.
    """

    accuracy: float
    regressed: float
    corrected: float
    agreement: float
    pilot: int | None = None

    @classmethod
    def assumed(cls, accuracy: float, share: float) -> Self:
        """A `share` of the images flips, as many either way: nothing is lost."""
        half = min(share / 2, accuracy, 1 - accuracy)
        return cls(accuracy, half, half, 1 - share)

    @classmethod
    def seen(cls, accuracy: Accuracy) -> Self | None:
        """What a pilot run found of one cell; None for the reference."""
        if accuracy.regressed is None or accuracy.corrected is None or accuracy.agreement is None:
            return None
        regressed, corrected = (count / accuracy.samples for count in (accuracy.regressed, accuracy.corrected))
        return cls(accuracy.top1 + regressed - corrected, regressed, corrected, accuracy.agreement, accuracy.samples)

    @property
    def cautious(self) -> Flips:
        """As many flips as the pilot does not rule out, at the same loss: the upper end of a one-sided interval.

        A plan by a pilot's own figure falls short in half of all cases; by the upper 80 % limit of what varies it
        reaches its power (Browne, Stat. Med. 14, 1995, 1933-1940).
        """
        if self.pilot is None:
            return self
        upper = NormalDist().inv_cdf(POWER)
        share = wilson_at(self.regressed + self.corrected, self.pilot, upper).high
        more = (share - self.regressed - self.corrected) / 2
        agreement = wilson_at(self.agreement, self.pilot, upper).low
        more = max(0.0, min(more, self.accuracy - self.regressed, 1 - self.accuracy - self.corrected))
        return replace(self, regressed=self.regressed + more, corrected=self.corrected + more, agreement=agreement)

    @property
    def without_loss(self) -> Flips:
        """The same share of flips, as many either way."""
        half = min((self.regressed + self.corrected) / 2, self.accuracy, 1 - self.accuracy)
        return replace(self, regressed=half, corrected=half)


def images_needed(flips: Flips, target: Requirements, power: float = POWER) -> int | None:
    """Test images with which the verdict on the accuracy is decided with probability `power`.

    None where more than 10^8 would be needed: what is expected lies at the target.
    """
    needed = [_needed(at, limit, Z + NormalDist().inv_cdf(power)) for at, limit in _questions(flips, target)]
    known = [count for count in needed if count is not None]
    return max(known) if known and len(known) == len(needed) else None


Question = tuple[Callable[[float, float], Interval | None], float]


def _questions(flips: Flips, target: Requirements) -> list[Question]:
    """The interval of each criterion on n images with ±z, and its limit: as `verdict.accuracy` asks."""

    def relative(n: float, z: float) -> Interval | None:
        return paired_kept((flips.accuracy - flips.regressed) * n, flips.regressed * n, flips.corrected * n, n, z)

    def drop(n: float, z: float) -> Interval:
        return paired_drop(flips.regressed * n, flips.corrected * n, n, z)

    def agreement(n: float, z: float) -> Interval:
        return wilson_at(flips.agreement, n, z)

    questions: list[tuple[Callable[[float, float], Interval | None], float | None]] = [
        (relative, target.min_relative_accuracy),
        (drop, None if target.max_drop_points is None else target.max_drop_points / 100),
        (agreement, target.min_agreement),
    ]
    return [(at, limit) for at, limit in questions if limit is not None]


def _needed(at: Callable[[float, float], Interval | None], limit: float, z: float) -> int | None:
    def decided(count: int) -> bool:
        interval = at(count, z)
        return interval is not None and interval.excludes(limit)

    try:
        return smallest_passing(decided, start=1, limit=MOST_IMAGES)
    except ValueError:
        return None
