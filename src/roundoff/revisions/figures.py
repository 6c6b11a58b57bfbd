"""The figures of a cell that two revisions are compared by, and what the noise of each is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roundoff.results.cell import Accuracy, Batch, CellMetrics, Energy

Kind = Literal["share", "ratio", "session", "exact"]
Holder = CellMetrics | Accuracy | Energy | Batch | None  # what has figures; None has none


@dataclass(frozen=True)
class Figure:
    """A figure of a cell: its name in the metrics, whether more is better, and what its noise is made of.

    `within` is the name of what it was measured at or on: figures of different ones are not compared.
    """

    name: str
    more_is_better: bool
    kind: Kind
    within: str | None = None


CELL_FIGURES = (
    Figure("size_mb", False, "exact"),
    Figure("load_ms", False, "session"),
    Figure("memory_mb", False, "session"),
)
ACCURACY_FIGURES = (
    Figure("top1", True, "share", "samples"),
    Figure("drop", False, "share", "samples"),
    Figure("agreement", True, "share", "samples"),
)
BATCH_FIGURES = (
    Figure("device_p50_ms", False, "session"),
    Figure("end_to_end_p50_ms", False, "session"),
    Figure("throughput_per_s", True, "session"),
    Figure("speedup", True, "ratio"),
)
ENERGY_FIGURES = (Figure("mj_per_image", False, "session", "batch_size"),)

SESSION_FIGURES = {
    figure.name for figure in (*CELL_FIGURES, *BATCH_FIGURES, *ENERGY_FIGURES) if figure.kind == "session"
}
