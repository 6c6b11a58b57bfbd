"""How the range of an activation tensor is chosen from what was seen of it on training images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from roundoff.calibration.observing.histogram import Histogram, Summary
from roundoff.pipeline.limits import MOST_BATCH, MOST_IMAGES, require

MOST_DRAWS = 1000
MOST_CANDIDATES = 2**16  # a histogram has 4096 bins on a side

Ends = tuple[float, float]
"""The two ends of a range, [low, high]."""


@dataclass(frozen=True)
class Fallback:
    """Another method's range was taken: `method` was asked for, and erred too much beside `best`.

    The errors are sums of squares, as shares of the tensor's own, 0 to 1 and more.
    """

    method: str
    error: float
    best: str
    best_error: float


@dataclass(frozen=True)
class Choice:
    """The range [low, high] chosen for one kind of grid, the method behind it, and the share of nonzero values outside.

    `fallback` is None where the method that was asked for chose it.
    """

    low: float
    high: float
    method: str
    clipped_fraction: float
    fallback: Fallback | None = None


@dataclass(frozen=True)
class TensorRange:
    """The range [low, high] chosen for one tensor, within the extremes that were seen; all in the tensor's own unit.

    It is for symmetric grids, which spend their codes on the larger end both ways. `asymmetric` is the choice for grids
    that are fitted to both ends; None: the same. `channel_means` are the means of a Conv's input [N, C, …] by channel,
    [C]; None for what no Conv takes.
    """

    low: float
    high: float
    seen_low: float
    seen_high: float
    method: str
    clipped_fraction: float
    histogram: Summary = field(default_factory=Summary)
    channel_means: list[float] | None = None
    fallback: Fallback | None = None
    asymmetric: Choice | None = None

    def choice(self, symmetric: bool) -> Choice:
        """What was chosen for a grid of that kind."""
        if self.asymmetric is None or symmetric:
            return Choice(self.low, self.high, self.method, self.clipped_fraction, self.fallback)
        return self.asymmetric


@dataclass(frozen=True)
class Calibrator(ABC):
    """A way to choose ranges from histograms. A subclass is a frozen dataclass whose fields are its YAML's keys.

    `images` training images are observed, read `batch_size` at a time; neither the batch size nor the place where
    batches are cut changes a threshold. `held_out` further training images measure the noise of the chosen ranges; a
    method that `compares_held_out` also chooses by them.
    With `draws` above 1 calibration is repeated over so many random draws, to tell whether the draw matters.
    `max_clipped_percent` is the share of a tensor's nonzero values that may lie outside its range before a guard warns.
    """

    name: ClassVar[str]
    compares_held_out: ClassVar[bool] = False

    images: int = 320
    batch_size: int = 32
    held_out: int = 128
    max_clipped_percent: float = 1.0
    draws: int = 0

    def __post_init__(self) -> None:
        for key in ("images", "batch_size", "held_out"):
            most = MOST_BATCH if key == "batch_size" else MOST_IMAGES
            require(1 <= getattr(self, key) <= most, f"calibrate.{key}", getattr(self, key), f"from 1 up to {most}")
        require(
            0 <= self.draws <= MOST_DRAWS, "calibrate.draws", self.draws, f"from 0, which is off, up to {MOST_DRAWS}"
        )
        require(
            0 < self.max_clipped_percent <= 100,
            "calibrate.max_clipped_percent",
            self.max_clipped_percent,
            "above 0, at most 100",
        )

    @abstractmethod
    def threshold(self, seen: Histogram) -> float:
        """The magnitude T at which this method clips a tensor with the histogram `seen`; 0 for a tensor of zeros."""

    def choose(self, seen: Histogram, held_out: Histogram) -> tuple[float, str]:
        """The threshold for symmetric grids, and the name of the method behind it.

        `held_out` is the same tensor on other images for a method that `compares_held_out`; else it is not looked at.
        """
        return self.threshold(seen), self.name

    def ends(self, seen: Histogram, held_out: Histogram) -> tuple[Ends, str]:
        """The range for grids that are fitted to both ends, and the name of the method behind it.

        It is the threshold on both sides, within the extremes, for a method that knows nothing better.
        """
        threshold, method = self.choose(seen, held_out)
        return seen.cut(threshold), method

    def choices(self, seen: Histogram, held_out: Histogram) -> tuple[Choice, Choice]:
        """What is chosen for symmetric grids, and for those that are fitted to both ends."""
        threshold, method = self.choose(seen, held_out)
        ends, of_ends = self.ends(seen, held_out)
        return (
            Choice(*seen.cut(threshold), method, seen.clipped(threshold)),
            Choice(*ends, of_ends, seen.outside(*ends)),
        )


def require_candidates(candidates: int) -> None:
    """Raise ConfigError unless there are thresholds to choose from, and no more than can tell anything apart."""
    most = MOST_CANDIDATES
    expected = f"2 or more thresholds to choose from, at most {most}"
    require(2 <= candidates <= most, "calibrate.candidates", candidates, expected)
