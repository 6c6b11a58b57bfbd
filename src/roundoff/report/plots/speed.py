"""The plots of speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.latency import supported
from roundoff.report.plots.axes import backends_of, legend, plot_name, time_axis
from roundoff.report.plots.style import WIDTH, colour_of, draw, marker_of, title
from roundoff.report.render.document import Drawing
from roundoff.results.cell import Accuracy, Batch
from roundoff.results.message import Words
from roundoff.results.values import bounds_of
from roundoff.revisions.read import Cell, Evidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUARTILES = (25, 75)
BOX_OPACITY = 0.35  # under a median line in full colour, so that a box narrower than the line is seen, too


@dataclass(frozen=True)
class _Mark:
    """A cell's place in the plot of accuracy against speed; `ms` is the median end to end."""

    cell: Cell
    timing: Batch
    ms: float
    accuracy: Accuracy


def latency_figure(evidence: Evidence, batch: int, words: Words) -> Drawing | None:
    """Box plots of the device-only latencies at one batch size: median, quartiles, whiskers at `whisker_ends`."""
    timed, ends = _timed(evidence, batch), whisker_ends(evidence, batch)
    if not timed:
        return None

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        boxes = axes.bxp(
            [_box(samples, ends) for _, samples in timed],
            orientation="horizontal",
            showfliers=False,
            widths=0.6,
            patch_artist=True,
            medianprops={"linewidth": 2.4},
        )
        _colour_boxes(boxes, [colour_of(cell.precision) for cell, _ in timed])
        axes.set_yticks(range(1, len(timed) + 1), [plot_name(cell, words, "\n") for cell, _ in timed])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        shown = [float(end) for _, samples in timed for end in np.percentile(samples, ends)]
        time_axis(axes, shown, words("axis_device"), words)
        whiskers = "" if ends == QUARTILES else words("latency_whiskers", low=ends[0], high=ends[1])
        title(figure, words("latency_title", batch=f"{batch:,}") + whiskers)

    return draw(plot, WIDTH, 1.3 + 0.45 * len(timed))


def whisker_ends(evidence: Evidence, batch: int) -> tuple[int, int]:
    """The farthest percentiles that every cell has runs enough for, by the rule that the metrics follow."""
    fewest = min((samples.size for _, samples in _timed(evidence, batch)), default=0)
    high = next((percent for percent in (99, 95, 90) if supported(percent / 100, fewest)), QUARTILES[1])
    return 100 - high, high


def _timed(evidence: Evidence, batch: int) -> list[tuple[Cell, NDArray[np.float64]]]:
    rows = [(cell, evidence.samples(cell, batch).get("device_ms")) for cell in evidence.measured]
    return [(cell, samples) for cell, samples in rows if samples is not None and samples.size]


def _box(samples: NDArray[np.float64], ends: tuple[int, int]) -> dict[str, float]:
    low, high = ends
    names = {"whislo": low, "q1": 25, "med": 50, "q3": 75, "whishi": high}
    return {name: float(np.percentile(samples, percent)) for name, percent in names.items()}


def _colour_boxes(boxes: dict[str, Any], colours: Sequence[str]) -> None:
    for index, colour in enumerate(colours):
        boxes["boxes"][index].set(facecolor=(colour, BOX_OPACITY), edgecolor=colour)
        ends = slice(2 * index, 2 * index + 2)
        for line in [boxes["medians"][index], *boxes["whiskers"][ends], *boxes["caps"][ends]]:
            line.set_color(colour)


def pareto_figure(
    evidence: Evidence, batch: int, front: Sequence[str], shipped: str | None, words: Words
) -> Drawing | None:
    """Accuracy with its 95 % interval over median latency with its 95 % interval; the front is a line.

    What ships is drawn last, and so on top.
    """
    cells, line = _placed(evidence, batch), front_line(evidence, batch, front)
    cells.sort(key=lambda mark: mark.cell.key == shipped)
    if not cells:
        return None
    backends = backends_of(evidence.measured)

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        for mark in cells:
            axes.errorbar(
                mark.ms,
                100 * mark.accuracy.top1,
                xerr=_time_error(mark),
                yerr=_accuracy_error(mark.accuracy),
                fmt=marker_of(mark.cell.backend, backends),
                color=colour_of(mark.cell.precision),
                markersize=8,
                capsize=3,
                linewidth=1.2,
            )
        if line:
            axes.step(*zip(*line, strict=True), where="post", color="#888888", linestyle="--", linewidth=1, zorder=0)
        time_axis(axes, [mark.ms for mark in cells], words("axis_time"), words)
        axes.set_ylabel(words("axis_top1"))
        title(figure, words("pareto_title", batch=f"{batch:,}"))
        legend(figure, _legend_order(evidence, cells), backends)

    return draw(plot, WIDTH, 4.1)


def _legend_order(evidence: Evidence, marks: Sequence[_Mark]) -> list[Cell]:
    shown = [mark.cell for mark in marks]
    return [cell for cell in evidence.measured if cell in shown]


def _time_error(mark: _Mark) -> NDArray[np.float64] | None:
    bounds = bounds_of(mark.timing, "end_to_end_p50", "ms")
    if bounds is None:
        return None
    return np.array([[max(0.0, mark.ms - bounds[0])], [max(0.0, bounds[1] - mark.ms)]])


def _accuracy_error(accuracy: Accuracy) -> NDArray[np.float64]:
    return 100 * np.array([[accuracy.top1 - accuracy.top1_low], [accuracy.top1_high - accuracy.top1]])


def front_line(evidence: Evidence, batch: int, front: Sequence[str]) -> list[tuple[float, float]]:
    """Milliseconds and percent of the front's members from fast to slow; none where fewer than two make no line.

    Members that only size put there are left out: they would make it run backwards.
    """
    best, line = -1.0, list[tuple[float, float]]()
    for mark in sorted(_placed(evidence, batch), key=lambda mark: mark.ms):
        if mark.cell.key in front and mark.accuracy.top1 > best:
            best = mark.accuracy.top1
            line.append((mark.ms, 100 * best))
    return line if len(line) > 1 else []


def _placed(evidence: Evidence, batch: int) -> list[_Mark]:
    """Cells with both an accuracy and a latency at the batch size."""
    known = ((cell, cell.batches.get(batch), cell.accuracy) for cell in evidence.measured)
    return [
        _Mark(cell, timing, timing.end_to_end_p50_ms, accuracy)
        for cell, timing, accuracy in known
        if timing and timing.end_to_end_p50_ms and accuracy
    ]
