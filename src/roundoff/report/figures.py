"""The plots of a report. Their texts are English in every language: fonts for others may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roundoff.report.document import Drawing
from roundoff.report.drawing import PALETTE, colour_of, draw, marker_of
from roundoff.report.evidence import Cell, Evidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 6.2
WORST_TENSORS = 20
MOST_CLASSES = 20
LOG_FROM_RATIO = 12.0
_BELOW: Any = {"loc": "outside lower center", "ncols": 4}


def latency_figure(evidence: Evidence, batch: int) -> Drawing | None:
    """Box plots of the device-only latencies at one batch size: median, quartiles, whiskers at 1 % and 99 %."""
    rows = [(cell, evidence.samples(cell, batch).get("device_ms")) for cell in evidence.measured]
    timed = [(cell, samples) for cell, samples in rows if samples is not None and samples.size]
    if not timed:
        return None
    precisions = _precisions(evidence)

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        boxes = axes.boxplot(
            [samples for _, samples in timed],
            orientation="horizontal",
            whis=(1, 99),
            showfliers=False,
            widths=0.6,
            patch_artist=True,
            medianprops={"color": "white", "linewidth": 1.6},
        )
        _colour_boxes(boxes, [colour_of(cell.precision, precisions) for cell, _ in timed])
        axes.set_yticks(range(1, len(timed) + 1), [_name(cell) for cell, _ in timed])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        medians = [float(np.median(samples)) for _, samples in timed]
        _time_axis(axes, medians)
        axes.set_xlabel("device latency (ms)")
        axes.set_title(f"Latency of a batch of {batch}: median, quartiles, 1 % to 99 %", loc="left")

    return draw(plot, WIDTH, 1.3 + 0.34 * len(timed))


def _colour_boxes(boxes: dict[str, Any], colours: Sequence[str]) -> None:
    for index, colour in enumerate(colours):
        boxes["boxes"][index].set(facecolor=colour, edgecolor=colour)
        for line in boxes["whiskers"][2 * index : 2 * index + 2] + boxes["caps"][2 * index : 2 * index + 2]:
            line.set_color(colour)


def _time_axis(axes: Any, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if min(values) > 0 and max(values) / min(values) > LOG_FROM_RATIO:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def pareto_figure(evidence: Evidence, batch: int, front: Sequence[str]) -> Drawing | None:
    """Accuracy with its 95 % interval over median latency with its 95 % interval; the front is a line."""
    cells = [cell for cell in evidence.measured if batch in cell.batches and cell.accuracy.get("top1") is not None]
    cells = [cell for cell in cells if cell.batches[batch].get("end_to_end_p50_ms")]
    if not cells:
        return None
    precisions, backends = _precisions(evidence), tuple(dict.fromkeys(cell.backend for cell in cells))

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        for cell in cells:
            time, accuracy = cell.batches[batch]["end_to_end_p50_ms"], 100 * cell.accuracy["top1"]
            axes.errorbar(
                time,
                accuracy,
                xerr=_time_error(cell.batches[batch]),
                yerr=_accuracy_error(cell),
                fmt=marker_of(cell.backend, backends),
                color=colour_of(cell.precision, precisions),
                markersize=8,
                capsize=3,
                linewidth=1.2,
            )
        _front_line(axes, [cell for cell in cells if cell.key in front], batch)
        _time_axis(axes, [cell.batches[batch]["end_to_end_p50_ms"] for cell in cells])
        axes.set_xlabel("← faster: median latency end to end (ms)")
        axes.set_ylabel("top-1 accuracy (%), 95 % interval")
        axes.set_title(f"Accuracy against speed, batch {batch}", loc="left")
        _legend(figure, precisions, backends)

    return draw(plot, WIDTH, 4.2)


def _time_error(timing: Mapping[str, Any]) -> NDArray[np.float64] | None:
    low, median, high = (timing.get(f"end_to_end_p50{bound}_ms") for bound in ("_low", "", "_high"))
    if low is None or median is None or high is None:
        return None
    return np.array([[max(0.0, median - low)], [max(0.0, high - median)]])


def _accuracy_error(cell: Cell) -> NDArray[np.float64] | None:
    low, top, high = (cell.accuracy.get(key) for key in ("top1_low", "top1", "top1_high"))
    if low is None or top is None or high is None:
        return None
    return 100 * np.array([[top - low], [high - top]])


def _front_line(axes: Any, cells: Sequence[Cell], batch: int) -> None:
    """Steps through the front's members; ones that only size put there would make it run backwards."""
    best, line = -1.0, []
    for cell in sorted(cells, key=lambda cell: cell.batches[batch]["end_to_end_p50_ms"]):
        if cell.accuracy["top1"] > best:
            best = cell.accuracy["top1"]
            line.append((cell.batches[batch]["end_to_end_p50_ms"], 100 * best))
    if len(line) > 1:
        axes.step(*zip(*line, strict=True), where="post", color="#888888", linestyle="--", linewidth=1, zorder=0)


def _legend(figure: Figure, precisions: tuple[str, ...], backends: tuple[str, ...]) -> None:
    from matplotlib.lines import Line2D

    colours = [
        Line2D([], [], marker="o", linestyle="", color=colour_of(name, precisions), label=name) for name in precisions
    ]
    shapes = [
        Line2D([], [], marker=marker_of(name, backends), linestyle="", color="#888888", label=name) for name in backends
    ]
    figure.legend(handles=colours + shapes, **_BELOW)


def curves_figure(rows: Sequence[dict[str, str]]) -> Drawing | None:
    """Training curves: every column with its `val_` twin, over the column `epoch`."""
    if len(rows) < 2:
        return None
    panels = [name for name in ("loss", "accuracy") if name in rows[0]]
    if not panels:
        return None
    epochs = [int(float(row["epoch"])) for row in rows]

    def plot(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        for axes, name in zip(np.ravel(figure.subplots(len(panels), 1, squeeze=False)), panels, strict=True):
            for column, colour, label in ((name, PALETTE[0], "training"), (f"val_{name}", PALETTE[1], "validation")):
                if column in rows[0]:
                    axes.plot(epochs, [float(row[column]) for row in rows], color=colour, label=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("epoch")
            axes.set_title({"loss": "Loss (cross-entropy)", "accuracy": "Accuracy (fraction)"}[name], loc="left")
            axes.legend()

    return draw(plot, WIDTH, 2.5 * len(panels))


def noise_figure(rows: Sequence[dict[str, str]]) -> Drawing | None:
    """The tensors with the smallest signal-to-quantization-noise ratio, worst first."""
    ranked = [(float(row["sqnr_db"]), row) for row in rows if _finite(row.get("sqnr_db"))]
    worst = sorted(ranked, key=lambda pair: pair[0])[:WORST_TENSORS]
    if not worst:
        return None
    kinds = tuple(sorted({row["kind"] for _, row in worst}))

    def plot(figure: Figure) -> None:
        from matplotlib.patches import Patch

        axes = figure.add_subplot()
        axes.barh(
            range(len(worst)),
            [ratio for ratio, _ in worst],
            color=[colour_of(row["kind"], kinds) for _, row in worst],
            height=0.7,
        )
        axes.set_yticks(range(len(worst)), [_short(row["tensor"]) for _, row in worst], fontsize=8)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("signal-to-quantization-noise ratio (dB), more is better")
        axes.set_title(f"Quantization noise: the {len(worst)} worst of {len(ranked)} tensors", loc="left")
        figure.legend(handles=[Patch(color=colour_of(kind, kinds), label=kind) for kind in kinds], **_BELOW)

    return draw(plot, WIDTH, 1.3 + 0.22 * len(worst))


def confusion_figure(name: str, matrix: NDArray[np.int64], classes: Sequence[str]) -> Drawing | None:
    """A confusion matrix int64 [classes, classes] (true by guessed), coloured by the share of the true class."""
    if len(classes) > MOST_CLASSES:
        return None

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        _matrix(axes, matrix, classes)
        axes.set_title(f"Confusion, {name}", loc="left")
        axes.set_xlabel("guessed class")
        axes.set_ylabel("true class")

    side = max(4.2, 0.4 * len(classes))
    return draw(plot, side, side + 0.2)


def _matrix(axes: Any, matrix: NDArray[np.int64], classes: Sequence[str]) -> None:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    for (true, guessed), count in np.ndenumerate(matrix):
        if count:
            ink = "white" if shares[true, guessed] > 0.3 else "#222222"
            axes.text(guessed, true, str(count), ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(range(len(classes)), [_short(name, 12) for name in classes], rotation=90, fontsize=9)
    axes.set_yticks(range(len(classes)), [_short(name, 12) for name in classes], fontsize=9)


def flips_figure(images: Sequence[NDArray[np.uint8]], captions: Sequence[str]) -> Drawing | None:
    """Images uint8 [H, W, C] in a grid with a caption under each."""
    if not images:
        return None
    across = min(6, len(images))
    down = -(-len(images) // across)

    def plot(figure: Figure) -> None:
        panels = np.ravel(figure.subplots(down, across, squeeze=False))
        for axes in panels:
            axes.set_axis_off()
        for axes, image, caption in zip(panels, images, captions, strict=False):
            axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_title(caption, fontsize=8)

    return draw(plot, 1.45 * across, 1.8 * down)


def _precisions(evidence: Evidence) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cell.precision for cell in evidence.measured))


def _name(cell: Cell) -> str:
    computed = "" if cell.label == cell.precision else f" (computes as {cell.label})"
    return f"{cell.backend} {cell.precision}{computed}"


def _short(name: str, length: int = 36) -> str:
    return name if len(name) <= length else "…" + name[1 - length :]


def _finite(text: str | None) -> bool:
    return text not in (None, "") and bool(np.isfinite(float(text or "nan")))
