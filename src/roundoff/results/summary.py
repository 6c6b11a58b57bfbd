"""What summary.json holds, DVC's one metric: what to ship, each precision's verdict, then its figures.

DVC sorts the names of metrics, so the answer is called so that it comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from roundoff.results.values import NotNegative, Outcome, Positive, Share, about


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to ship on this machine, and the verdict on the best cell of each precision."""

    ship: Annotated[str | None, about("the cell (PRECISION/BACKEND); null: the data allow none")] = None
    verdict: Annotated[dict[str, Outcome | None], about("by precision; null where it was not measured")] = field(
        default_factory=dict
    )


@dataclass(frozen=True, kw_only=True)
class BestCell:
    """A precision's best cell: the one to ship, else the fastest of the best verdict. Times are rounded."""

    top1: Annotated[Share | None, about("share of right answers, not rounded")] = None
    ms: Annotated[
        Positive | None,
        about("median end to end at `verdict.batch_size`, in steps of at least 12 % (GPU: 4 %)"),
    ] = None
    x: Annotated[Positive | None, about("speed-up of it over the same backend's FP32, in steps of at least 4 %")] = None
    mb: Annotated[NotNegative | None, about("the artifact on disk, MB (10⁶ bytes), three digits")] = None
    backend: Annotated[str | None, about("which backend's cell it is; null where none was measured")] = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The answer of a run; in the file, the precisions stand by name beside `answer`."""

    answer: Answer
    precisions: dict[str, BestCell]
