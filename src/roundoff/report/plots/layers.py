"""What a run of each cell consists of, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roundoff.profiling.parts import PARTS, Breakdown
from roundoff.report.plots.style import BELOW, INK, PALETTE, SMALL, WIDTH, draw, title
from roundoff.report.render.document import Drawing
from roundoff.results.message import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = dict(zip(PARTS, (*PALETTE[:4], "#9a9a9a"), strict=True))


def layers_figure(cells: Sequence[Breakdown], words: Words) -> Drawing | None:
    """A bar for each cell, its parts one behind the other; a mark where its device's peaks would have it end.

    Each backend has an axis of its own: a GPU's microseconds cannot be seen beside a CPU's milliseconds.
    """
    if not cells:
        return None
    groups = [[cell for cell in cells if _backend(cell) == name] for name in dict.fromkeys(map(_backend, cells))]

    def plot(figure: Figure) -> None:
        rows = figure.subplots(len(groups), height_ratios=[len(group) for group in groups], squeeze=False)
        for axes, group in zip(rows[:, 0], groups, strict=True):
            _bars(axes, group)
        rows[-1, 0].set_xlabel(words("axis_layers"))
        title(figure, words("layers_title"))
        figure.legend(handles=_handles(cells, words), **(BELOW | {"ncols": 2, "fontsize": SMALL}))

    return draw(plot, WIDTH, 2.2 + 0.45 * len(cells) + 0.35 * (len(groups) - 1))


def _backend(cell: Breakdown) -> str:
    return cell.cell.rpartition("/")[2]


def _bars(axes: Axes, cells: Sequence[Breakdown]) -> None:
    for place, cell in enumerate(cells):
        start = 0.0
        for name in PARTS:
            axes.barh(place, cell.parts[name].ms, left=start, color=COLOURS[name], height=0.66)
            start += cell.parts[name].ms
        if cell.roof_ms is not None:
            axes.plot([cell.roof_ms] * 2, [place - 0.42, place + 0.42], color=INK, linewidth=1.8)
    axes.set_yticks(range(len(cells)), [cell.cell.replace("/", "\n") for cell in cells], fontsize=SMALL)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


def _handles(cells: Sequence[Breakdown], words: Words) -> list[object]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    used = [name for name in PARTS if any(cell.parts[name].ms for cell in cells)]
    handles: list[object] = [Patch(color=COLOURS[name], label=words(f"part_{name}")) for name in used]
    if any(cell.roof_ms is not None for cell in cells):
        handles.append(Line2D([], [], color=INK, linewidth=1.8, label=words("layers_roof")))
    return handles
