"""Lines over the batch sizes: throughput, and speed-up over FP32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from roundoff.report.plots.axes import backends_of, batch_axis, legend
from roundoff.report.plots.style import WIDTH, colour_of, draw, marker_of, scale_name, title
from roundoff.report.render.document import Drawing
from roundoff.results.message import Words
from roundoff.results.values import bounds_of
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Series = list[tuple[int, float, float, float]]
"""Batch size, figure, and the ends of its 95 % interval."""
FIGURES = {"throughput": ("throughput", "per_s"), "speedup": ("speedup", "")}


def series_of(cell: Cell, kind: str) -> Series:
    """The cell's figures over its batch sizes, `kind` being throughput (images/s) or speedup (device only)."""
    name, unit = FIGURES[kind]
    found = (
        (size, getattr(batch, f"{name}_{unit}".rstrip("_")), bounds_of(batch, name, unit))
        for size, batch in cell.batches.items()
    )
    return [(size, value, *(ends or (value, value))) for size, value, ends in found if value]


def over_batches(evidence: Evidence, kind: str, words: Words) -> Drawing | None:
    """A line for each cell; None where none has two batch sizes."""
    cells = [cell for cell in evidence.measured if kind != "speedup" or cell.precision != REFERENCE_PRECISION]
    lines = [(cell, series) for cell in cells if (series := series_of(cell, kind))]
    if max((len(series) for _, series in lines), default=0) < 2:
        return None
    backends = backends_of(evidence.measured)

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        for cell, series in lines:
            _line(axes, series, colour_of(cell.precision), marker_of(cell.backend, backends))
        batch_axis(axes, sorted({size for _, series in lines for size, *_ in series}), words)
        _values(axes, kind, words)
        title(figure, words(f"title_{kind}"))
        legend(figure, [cell for cell, _ in lines], backends)

    return draw(plot, WIDTH, 3.9)


def _line(axes: Any, series: Series, colour: str, marker: str) -> None:
    sizes, values, lows, highs = (np.array(column) for column in zip(*series, strict=True))
    error = np.maximum(np.array([values - lows, highs - values]), 0)
    axes.errorbar(sizes, values, yerr=error, color=colour, marker=marker, markersize=6, capsize=2, linewidth=1.5)


def _values(axes: Any, kind: str, words: Words) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if kind == "throughput":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    else:
        axes.axhline(1, color="#555555", linestyle="--", linewidth=1, zorder=0)
    axes.set_ylabel(words("axis", label=words(f"axis_{kind}"), scale=scale_name(axes.yaxis, words)))


def best_of(evidence: Evidence, kind: str) -> Sequence[tuple[Cell, int, float]]:
    """Each cell with the batch size where its figure is largest, and that figure; the largest first."""
    known = ((cell, series_of(cell, kind)) for cell in evidence.measured)
    tops = [(cell, *max(series, key=lambda one: one[1])[:2]) for cell, series in known if series]
    return sorted(tops, key=lambda top: -top[2])
