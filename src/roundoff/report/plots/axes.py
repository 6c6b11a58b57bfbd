"""Axes of times and batch sizes, and what names a cell in a plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from roundoff.report.plots.style import BELOW, colour_of, marker_of, scale_name
from roundoff.results.message import Words
from roundoff.revisions.read import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOG_FROM_RATIO = 12.0
MOST_ACROSS = 5


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
    from matplotlib.lines import Line2D

    shown = list(cells)
    precisions = dict.fromkeys(cell.precision for cell in shown)
    handles = [Line2D([], [], marker="o", linestyle="", color=colour_of(name), label=name) for name in precisions]
    handles += [
        Line2D([], [], marker=marker_of(name, backends), linestyle="", color="#888888", label=name)
        for name in backends_of(shown)
    ]
    rows = -(-len(handles) // MOST_ACROSS)
    figure.legend(handles=handles, **(BELOW | {"ncols": -(-len(handles) // rows)}))


def backends_of(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The backends of the cells, each once."""
    return tuple(dict.fromkeys(cell.backend for cell in cells))


def plot_name(cell: Cell, words: Words) -> str:
    """A cell in a plot: short, but with what it computes in where that is not its name."""
    if cell.effective_precision == cell.precision:
        return f"{cell.precision} / {cell.backend}"
    computed = words("computes_as", precision=cell.precision, effective=cell.effective_precision)
    return f"{computed} / {cell.backend}"
