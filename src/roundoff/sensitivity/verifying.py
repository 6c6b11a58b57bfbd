"""Mixed graphs run on images that had no part in the choice, and the search for the cheapest one that passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx

from roundoff.measurement.statistics import Interval, wilson
from roundoff.results.mixed import Verified
from roundoff.results.verdict import Requirements
from roundoff.sensitivity.answers import Differences, Reference
from roundoff.sensitivity.intervals import clearly_larger, error_intervals, resampled

Make = Callable[[int], onnx.ModelProto]


def least_agreement(target: Requirements) -> float:
    """The agreement with FP32 that holds what the target asks for, with FP32's answers for labels.

    The images may have been learnt. Whatever their labels are, the accuracy drops by at most the disagreement; of an
    FP32 that is right on a share a of the images, at least 1 - (1 - agreement) / a of its accuracy is kept.
    """
    points = None if target.max_drop_points is None else 1 - target.max_drop_points / 100
    return max(each for each in (target.min_relative_accuracy, points, target.min_agreement) if each is not None)


@dataclass
class Search:
    """Runs the graphs of steps 0 to `last`, each once; later steps leave more wide.

    From the widest to the narrowest the steps are a fixed sequence of hypotheses, each tested at the full level until
    one fails (Maurer et al., 1995): bisection looks for that place, taking narrower steps to be no nearer to FP32.
    """

    reference: Reference
    make: Make
    last: int
    least: float
    seed: int
    found: dict[int, Differences] = field(default_factory=dict)

    def chosen(self) -> tuple[int, bool]:
        """The narrowest step that passes, else the nearest to FP32 beyond noise; and whether it passes."""
        if self.passes(0):
            return 0, True
        if not self.passes(self.last):
            return self._best(), False
        low, high = 0, self.last
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.passes(middle) else (middle, high)
        return high, True

    def _best(self) -> int:
        """Of all, halves, quarters and so on of the steps: the widest that errs clearly less than narrower ones."""
        step = self.last
        while step > 1:
            step //= 2
            self.run(step)
        return max(step for step, is_nearer in self.beyond_noise().items() if is_nearer)

    def passes(self, step: int) -> bool:
        """Whether the agreement's interval reaches what is asked for."""
        return _agreement(self.run(step)).low >= self.least

    def run(self, step: int) -> Differences:
        """What the graph of that step gives."""
        if step not in self.found:
            self.found[step] = self.reference.differences(self.make(step))
        return self.found[step]

    def verified(self) -> dict[int, Verified]:
        """The figures of all steps that were run."""
        draws = resampled(len(self.reference.images), self.seed)
        return {step: _figures(each, draws) for step, each in sorted(self.found.items())}

    def beyond_noise(self) -> dict[int, bool]:
        """Of each step that was run: whether it errs clearly less than the last one that did so, or is the first."""
        steps, kept, told = sorted(self.found), -1, dict[int, bool]()
        squares = np.concatenate([self.found[step].squares for step in steps], axis=1)
        larger = clearly_larger(squares)
        for place, step in enumerate(steps):
            told[step] = kept < 0 or bool(larger[kept, place])
            kept = place if told[step] else kept
        return told


def _agreement(found: Differences) -> Interval:
    return wilson(int(found.same[:, 0].sum()), len(found.same))


def _figures(found: Differences, draws: np.ndarray) -> Verified:
    error, agreement = error_intervals(found.squares, found.scale, draws)[0], _agreement(found)
    return Verified(
        error=error.value,
        error_low=error.low,
        error_high=error.high,
        agreement=agreement.value,
        agreement_low=agreement.low,
        agreement_high=agreement.high,
    )
