"""What verdict.json holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from roundoff.results.message import Message
from roundoff.results.values import (
    Bounds,
    Count,
    NotNegative,
    Outcome,
    Positive,
    Share,
    Size,
    SpeedDifference,
    Use,
    about,
)

SHIPPED_FIRST: tuple[Use, ...] = ("balanced", "fastest")


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One question on a cell, what was found, and the answer."""

    name: Annotated[
        str, about("what was asked: min_relative_accuracy, max_drop_points, min_agreement, chance, latency, …")
    ]
    verdict: Annotated[Outcome, about("the answer")]
    limit: Annotated[float | None, about("what was asked for")]
    value: Annotated[float | None, about("the figure")] = None
    low: Annotated[float | None, about("what it lies between")] = None
    high: Annotated[float | None, about("what it lies between")] = None
    bounds: Annotated[
        Bounds | None, about("what these ends are: a 95 % interval, the meter's margin, the figure itself")
    ] = None
    samples_needed: Annotated[Count | None, about("test images that would probably decide")] = None
    reason: Annotated[Message | None, about("why there is no figure, or what no figure says")] = None


@dataclass(frozen=True, kw_only=True)
class SpeedVerdict:
    """What one batch size's speed-up over FP32 allows one to say."""

    speed: Annotated[SpeedDifference | None, about("against the same backend's FP32; null: no speed-up")]
    noise_floor: Annotated[NotNegative, about("share below which the device tells no speeds apart")]


@dataclass(frozen=True, kw_only=True)
class CellVerdict:
    """The verdict on one cell; its batch sizes are the keys `batch_N`."""

    verdict: Annotated[Outcome | None, about("null where the cell was not measured")]
    criteria: Annotated[list[Criterion], about("what was asked of it")] = field(default_factory=list)
    warnings: Annotated[list[Message], about("slices of the test set on which a cell that passes loses accuracy")] = (
        field(default_factory=list)
    )
    batches: Annotated[dict[int, SpeedVerdict], about("by batch size")] = field(default_factory=dict)

    @property
    def samples_needed(self) -> int | None:
        """How many test images would probably decide an undecided cell; None where images alone do not."""
        needed = [one.samples_needed for one in self.criteria if one.verdict == "undecided"]
        known = [count for count in needed if count is not None]
        return max(known) if known and len(known) == len(needed) else None


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The cell to take for one use, and what else a reader must know of. All are cells by name."""

    cell: Annotated[str | None, about("null: the data allow none")]
    tied: Annotated[list[str], about("as fast as it")] = field(default_factory=list)
    undecided: Annotated[
        dict[str, Count | None],
        about("would be faster (without a cell: could pass), with the images that would decide"),
    ] = field(default_factory=dict)
    not_timed: Annotated[list[str], about("pass, but were not timed at the ranked batch size")] = field(
        default_factory=list
    )
    failed: Annotated[list[str], about("pass, but failed at the ranked batch size")] = field(default_factory=list)
    batch_size: Annotated[Size | None, about("that it holds for, where that is another than the target's")] = None


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """What a cell must hold to be shipped, as it was set (the configuration's `verdict`)."""

    min_relative_accuracy: Annotated[Share | None, about("share of the reference's accuracy to keep")] = None
    max_drop_points: Annotated[NotNegative | None, about("most percentage points of accuracy to lose")] = None
    min_agreement: Annotated[Share | None, about("least share of answers that are the reference's")] = None
    max_slice_drop_points: Annotated[
        NotNegative | None, about("most percentage points that a slice may be proven to lose")
    ] = None
    batch_size: Annotated[Size, about("that latency and throughput hold for, and cells are ranked at")] = 1
    latency_ms: Annotated[Positive | None, about("most, end to end")] = None
    latency_percentile: Annotated[str, about("the percentile that it holds for")] = "p50"
    throughput_per_s: Annotated[Positive | None, about("least, images per second")] = None
    size_mb: Annotated[Positive | None, about("most, MB")] = None
    memory_mb: Annotated[Positive | None, about("most, MB of device memory")] = None
    mj_per_image: Annotated[Positive | None, about("most, millijoules")] = None
    speed_margin: Annotated[Share, about("differences of speed below this share are not called differences")] = 0.01


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """verdict.json: what was asked, the answer for each cell, the front, and a cell for each use and batch size."""

    platform: Annotated[str | None, about("id of the machine's fingerprint")] = None
    reference: Annotated[str | None, about("the cell that the others are compared with")] = None
    target: Annotated[Requirements | None, about("what was asked for")] = None
    cells: Annotated[dict[str, CellVerdict], about("by name (PRECISION/BACKEND)")] = field(default_factory=dict)
    front: Annotated[list[str], about("cells that no other beats in accuracy, latency and size")] = field(
        default_factory=list
    )
    recommendations: Annotated[dict[Use, Recommendation], about("by use")] = field(default_factory=dict)
    batches: Annotated[dict[int, Recommendation], about("what ships at each batch size")] = field(default_factory=dict)

    @property
    def shipped(self) -> Recommendation | None:
        """What to ship: the balanced cell, else the fastest; never a cell that only serves as the reference."""
        choices = (self.recommendations.get(use) for use in SHIPPED_FIRST)
        return next((choice for choice in choices if choice and choice.cell), None)
