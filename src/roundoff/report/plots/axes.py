"""Axes of times and batch sizes, and what names a cell in a plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from roundoff.report.plots.style import BELOW, colour_of, marker_of, scale_name
from roundoff.report.words.compute_types import computes
from roundoff.results.message import Words
from roundoff.revisions.read import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOG_FROM_RATIO = 12.0
MOST_ACROSS = 3


def time_axis(axes: Any, values: Sequence[float], label: str, words: Words) -> None:
    """A horizontal axis of times, logarithmic where they differ much, which its label says."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if min(values) > 0 and max(values) / min(values) > LOG_FROM_RATIO:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(words("axis", label=label, scale=scale_name(axes.xaxis, words)))


def batch_axis(axes: Any, sizes: Sequence[int], words: Words) -> None:
    """A horizontal logarithmic axis with a tick at each batch size that was timed."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_xlabel(words("axis", label=words("axis_batch"), scale=scale_name(axes.xaxis, words)))


def legend(figure: Figure, cells: Iterable[Cell], backends: tuple[str, ...]) -> None:
    """Below a figure: the colour of each precision and the shape of each backend that the cells have."""
    shown = list(cells)
    legend_of(figure, [cell.precision for cell in shown], [cell.backend for cell in shown], backends)


def legend_of(figure: Figure, precisions: Iterable[str], shown: Iterable[str], backends: tuple[str, ...]) -> None:
    """The same of precisions and of backends by their names, which may repeat."""
    from matplotlib.patches import Patch

    colours = [Patch(color=colour_of(name), label=name) for name in dict.fromkeys(precisions)]
    shapes = [_shape(name, backends) for name in dict.fromkeys(shown)]
    columns = min(MOST_ACROSS, max(len(colours), len(shapes)))
    # matplotlib fills column by column: each kind is made to fill whole rows, so that it begins on a row of its own
    rows = [*_in_rows(colours, columns), *_in_rows(shapes, columns)]
    handles = [row[column] for column in range(columns) for row in rows]
    figure.legend(handles=handles, handlelength=1.0, **(BELOW | {"ncols": columns}))


def _shape(name: str, backends: tuple[str, ...]) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker=marker_of(name, backends), linestyle="", color="#666666", label=name)


def _in_rows(handles: Sequence[Any], columns: int) -> list[list[Any]]:
    """The handles in rows of so many columns, the last one filled up with what shows nothing."""
    from matplotlib.lines import Line2D

    empty = Line2D([], [], linestyle="", label=" ")
    rows = [list(handles[start : start + columns]) for start in range(0, len(handles), columns)]
    return [[*row, *[empty] * (columns - len(row))] for row in rows]


def backends_of(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The backends of the cells, each once."""
    return tuple(dict.fromkeys(cell.backend for cell in cells))


def plot_name(cell: Cell, words: Words, between: str = " / ") -> str:
    """A cell in a plot: short, but with what it multiplies in where that is not its name."""
    computed = computes(cell)
    effective = cell.effective_precision
    if effective == cell.precision and computed.others and not computed.share_named:
        effective = words.listed(computed.others)
    if effective == cell.precision:
        return f"{cell.precision}{between}{cell.backend}"
    return words("computes_in", precision=cell.precision, effective=effective) + between + cell.backend
