"""The first plot of the page: what each cell loses against its time, the target as a line, the winner marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roundoff.report.plots.axes import backends_of, legend, plot_name, time_axis
from roundoff.report.plots.labels import Point, place_labels
from roundoff.report.plots.style import INK, SMALL, WIDTH, colour_of, draw, marker_of, title
from roundoff.report.render.document import Drawing
from roundoff.results.message import Words
from roundoff.results.values import bounds_of
from roundoff.revisions.read import Cell, Evidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 4.3
LIMIT = "#B00020"


@dataclass(frozen=True)
class DropMark:
    """A cell's place: `ms` end to end, and the points of accuracy that it loses to the reference, with their ends."""

    cell: Cell
    ms: float
    ms_ends: tuple[float, float]
    points: float
    ends: tuple[float, float]


def drop_marks(evidence: Evidence, batch: int) -> list[DropMark]:
    """The cells with a time at the batch size and a paired drop, fastest first; the reference loses nothing."""
    marks = []
    for cell in evidence.measured:
        timing, drop, ends = cell.batches.get(batch), _drop(cell), bounds_of(cell.accuracy, "drop")
        if cell.key == evidence.reference:
            drop, ends = 0.0, (0.0, 0.0)
        if timing and (ms := timing.end_to_end_p50_ms) and drop is not None and ends:
            ms_ends = bounds_of(timing, "end_to_end_p50", "ms") or (ms, ms)
            marks.append(DropMark(cell, ms, ms_ends, 100 * drop, (100 * ends[0], 100 * ends[1])))
    return sorted(marks, key=lambda mark: mark.ms)


def _drop(cell: Cell) -> float | None:
    return cell.accuracy.drop if cell.accuracy else None


def allowed_points(evidence: Evidence) -> float | None:
    """How many points of accuracy the target lets a cell lose: the strictest of what is set; None where nothing is."""
    target = evidence.verdict.target if evidence.verdict else None
    reference = evidence.cell(evidence.reference)
    if target is None:
        return None
    limits = [] if target.max_drop_points is None else [target.max_drop_points]
    if target.min_relative_accuracy is not None and reference and reference.accuracy:
        limits.append(100 * (1 - target.min_relative_accuracy) * reference.accuracy.top1)
    return min(limits, default=None)


def drop_figure(evidence: Evidence, batch: int, shipped: str | None, words: Words) -> Drawing | None:
    """Points lost with their 95 % interval over the median time end to end; lower left is better."""
    marks, allowed = drop_marks(evidence, batch), allowed_points(evidence)
    if not marks:
        return None
    backends = backends_of(evidence.measured)

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        for mark in in_drawing_order(marks, evidence, shipped):
            _draw_mark(axes, mark, marker_of(mark.cell.backend, backends))
        time_axis(axes, [end for mark in marks for end in mark.ms_ends], words("axis_time"), words)
        axes.set_ylabel(words("axis_lost"))
        axes.margins(x=0.14, y=0.12)
        _room_on_the_right(axes)
        target = () if allowed is None else _draw_target(axes, allowed, words)
        _ring(axes, next((mark for mark in marks if mark.cell.key == shipped), None))
        title(figure, words("drop_title", batch=f"{batch:,}"))
        legend(figure, [cell for cell in evidence.measured if cell in [mark.cell for mark in marks]], backends)
        points = [Point(mark.ms, mark.points, _label(mark, shipped, words), mark.ms_ends, mark.ends) for mark in marks]
        place_labels(figure, axes, points, target)

    return draw(plot, WIDTH, HEIGHT)


def in_drawing_order(marks: Sequence[DropMark], evidence: Evidence, shipped: str | None) -> list[DropMark]:
    """In the order of the cells on every plot, what ships last, and so on top of what lies at the same place."""
    order = [cell.key for cell in evidence.measured]
    return sorted(marks, key=lambda mark: (mark.cell.key == shipped, order.index(mark.cell.key)))


def _draw_mark(axes: Any, mark: DropMark, marker: str) -> None:
    style = {"fmt": marker, "color": colour_of(mark.cell.precision), "markersize": 8, "capsize": 3, "linewidth": 1.2}
    errors = {"xerr": _error(mark.ms, mark.ms_ends), "yerr": _error(mark.points, mark.ends)}
    axes.errorbar(mark.ms, mark.points, **errors, **style)


def _room_on_the_right(axes: Any) -> None:
    """A third more, for labels."""
    left, right = axes.get_xlim()
    axes.set_xlim(right=right * (right / left) ** 0.3 if axes.get_xscale() == "log" else right + 0.3 * (right - left))


def _error(value: float, ends: tuple[float, float]) -> NDArray[np.float64]:
    """How far the ends lie from the value, as matplotlib wants it, float64 [2, 1]."""
    return np.array([[max(value - ends[0], 0.0)], [max(ends[1] - value, 0.0)]])


def _draw_target(axes: Any, allowed: float, words: Words) -> tuple[Any, Any]:
    """The target's line and its text."""
    line = axes.axhline(allowed, color=LIMIT, linestyle="--", linewidth=1.2, zorder=0)
    text = words("drop_target", points=f"{allowed:.2f}")
    style = {"ha": "right", "va": "bottom", "fontsize": SMALL, "color": LIMIT}
    place = {"xycoords": ("axes fraction", "data"), "xytext": (0, 3), "textcoords": "offset points"}
    return line, axes.annotate(text, (0.99, allowed), **place, **style)


def _ring(axes: Any, mark: DropMark | None) -> None:
    if mark is not None:
        axes.plot([mark.ms], [mark.points], marker="o", markersize=17, markerfacecolor="none", color=INK, linewidth=0)


def _label(mark: DropMark, shipped: str | None, words: Words) -> str:
    name = plot_name(mark.cell, words)
    return words("ships_here", cell=name) if mark.cell.key == shipped else name
