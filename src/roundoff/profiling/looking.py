"""One cell after the other: its layers' times, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from roundoff.cells.cell import Cell
from roundoff.dataset.base import Images
from roundoff.profiling.measuring import Effort, measured
from roundoff.profiling.rows import row_without, rows_of
from roundoff.results.layers import CellLayers, LayerRow
from roundoff.results.message import message
from roundoff.results.platform import Platform
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.at_work import at_work


@dataclass
class Looking:
    """The cells that were looked at so far, and their rows."""

    batches: Sequence[Images]
    platform: Platform
    effort: Effort
    told: dict[str, CellLayers] = field(default_factory=dict)
    rows: list[LayerRow] = field(default_factory=list)

    def look_at(self, cell: Cell) -> None:
        """Time its layers; of one that has no times the row says why."""
        missing: list[Shortfall] = []
        if not cell.built.measured:
            self._leave_out(cell, Shortfall("unavailable", cell.built.reason or message("unknown")))
            return
        with tolerated(message("doing_layers"), missing.append), at_work(f"layers of {cell.name}"):
            told, layers = measured(cell, self.platform, self.batches, self.effort)
            rows = list(rows_of(cell, layers, len(self.batches[0])))
            self.told[cell.name] = told
            self.rows += rows
        for why in missing:
            self._leave_out(cell, why)

    def rows_on(self, device: str) -> list[LayerRow]:
        """The rows of the cells that ran there."""
        there = {name for name, told in self.told.items() if told.device == device}
        return [row for row in self.rows if row.cell in there]

    def _leave_out(self, cell: Cell, why: Shortfall) -> None:
        self.told[cell.name] = CellLayers(status=why.status, reason=why.reason, detail=why.detail)
        self.rows.append(row_without(cell, self.told[cell.name]))
