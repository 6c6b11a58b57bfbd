"""The plot of a comparison: what each cell of each run loses, against how many times as fast as the reference it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roundoff.comparison.front import Field, Place
from roundoff.comparison.naming import place_name, what_words
from roundoff.comparison.sheet import Sheet
from roundoff.report.plots.axes import LOG_FROM_RATIO, legend_of
from roundoff.report.plots.labels import Point, place_labels
from roundoff.report.plots.style import WIDTH, colour_of, draw, marker_of, scale_name, title
from roundoff.report.render.document import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 4.6
ROOM, WIDEST = 0.15, 1.5
"""Room beside the points as a share of their range; how far an interval may widen it, as a ratio."""


def front_figure(field: Field, sheet: Sheet) -> Drawing:
    """Points lost with their 95 % interval over the relative speed with its own; the front is a dashed line."""
    cells = [place.cell.split("/") for place in field.places]
    backends = tuple(dict.fromkeys(backend for _, backend in cells))

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place in field.places:
            _draw(axes, place, backends)
        _draw_line(axes, field.line)
        _axes(axes, field, sheet)
        title(figure, sheet.words("compare_front_title", what=what_words(field, sheet)))
        legend_of(figure, [precision for precision, _ in cells], [backend for _, backend in cells], backends)
        points = [
            Point(place.speed, place.lost, place_name(place, sheet, field), (place.low, place.high), place.ends)
            for place in field.places
        ]
        place_labels(figure, axes, points)

    return draw(plot, WIDTH, HEIGHT)


def _draw(axes: Any, place: Place, backends: tuple[str, ...]) -> None:
    precision, backend = place.cell.split("/")
    style = {"color": colour_of(precision), "markersize": 8, "capsize": 3, "linewidth": 1.2}
    errors = {"xerr": _error(place.speed, place.low, place.high), "yerr": _error(place.lost, *place.ends)}
    axes.errorbar(place.speed, place.lost, fmt=marker_of(backend, backends), **errors, **style)


def _draw_line(axes: Any, line: Sequence[Place]) -> None:
    if line:
        style = {"color": "#888888", "linestyle": "--", "linewidth": 1, "zorder": 0}
        axes.step([place.speed for place in line], [place.lost for place in line], where="post", **style)


def _axes(axes: Any, field: Field, sheet: Sheet) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    speeds = [place.speed for place in field.places]
    if max(speeds) / min(speeds) > LOG_FROM_RATIO:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    label = sheet.words("compare_front_axis", yardstick=field.yardstick)
    axes.set_xlabel(sheet.words("axis", label=label, scale=scale_name(axes.xaxis, sheet.words)))
    axes.set_ylabel(sheet.words("axis_lost"))
    axes.margins(y=0.14)
    axes.set_xlim(*_limits(field.places))


def _limits(places: Sequence[Place]) -> tuple[float, float]:
    """From the slowest to the fastest with room for labels; intervals far wider than all points run out of the plot."""
    slowest, fastest = min(place.speed for place in places), max(place.speed for place in places)
    low = max(min(place.low for place in places), slowest / WIDEST)
    high = min(max(place.high for place in places), fastest * WIDEST)
    room = ROOM * (high - low) or ROOM
    return max(low - room, low / WIDEST), high + 2 * room


def _error(value: float, low: float, high: float) -> NDArray[np.float64]:
    """How far the ends lie from the value, as matplotlib wants it, float64 [2, 1]."""
    return np.array([[max(value - low, 0.0)], [max(high - value, 0.0)]])
