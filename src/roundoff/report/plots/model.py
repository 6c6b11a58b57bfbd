"""The plots of the model; class names are as they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

from roundoff.report.plots.style import BELOW, PALETTE, SMALL, WIDTH, draw, kind_colour, title
from roundoff.report.render.document import Drawing
from roundoff.results.message import Words
from roundoff.results.preparation import Noise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST_TENSORS = 20
BAR_AND_NAME = 0.33  # inches
MOST_CLASSES = 20
UPRIGHT = 2  # letters of a class's name that fit under its column as they are


def curves_figure(rows: Sequence[dict[str, str]], words: Words) -> Drawing | None:
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
            for column, colour, split in ((name, PALETTE[0], "training"), (f"val_{name}", PALETTE[1], "validation")):
                if column in rows[0]:
                    values = [float(row[column]) for row in rows]
                    axes.plot(epochs, values, color=colour, label=words(f"split_{split}"))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel(words("axis_epoch"))
            axes.set_title(words(f"curve_{name}"), loc="left")
            axes.legend()

    return draw(plot, WIDTH, 2.5 * len(panels))


def noise_figure(rows: Sequence[Noise], words: Words) -> Drawing | None:
    """The tensors with the smallest signal-to-quantization-noise ratio, worst first."""
    ranked = [row for row in rows if np.isfinite(row.sqnr_db)]
    worst = sorted(ranked, key=lambda row: row.sqnr_db)[:WORST_TENSORS]
    if not worst:
        return None
    kinds = tuple(sorted({row.kind for row in worst}))

    def plot(figure: Figure) -> None:
        from matplotlib.patches import Patch

        axes = figure.add_subplot()
        colours = [kind_colour(row.kind, kinds) for row in worst]
        bars_under_names(axes, [row.tensor for row in worst], [row.sqnr_db for row in worst], color=colours)
        axes.set_xlabel(words("axis_sqnr"))
        title(figure, _noise_title(len(worst), len(ranked), words))
        figure.legend(
            handles=[Patch(color=kind_colour(kind, kinds), label=kind_words(kind, words)) for kind in kinds], **BELOW
        )

    return draw(plot, WIDTH, 1.3 + BAR_AND_NAME * len(worst))


def bars_under_names(axes: Any, names: Sequence[str], values: Sequence[float], **style: Any) -> None:
    """Bars from the top down, each name above its bar, where even a telephone has room for a long one."""
    axes.barh(range(len(values)), values, height=0.3, **style)
    place: Any = {"xytext": (0, 2.5), "textcoords": "offset points", "ha": "left", "va": "bottom"}
    for number, name in enumerate(names):
        axes.annotate(short(name, 44), (0, number - 0.15), fontsize=SMALL, **place)
    axes.set_yticks([])
    axes.set_ylim(len(values) - 0.6, -0.85)
    axes.grid(axis="y", visible=False)


def _noise_title(shown: int, count: int, words: Words) -> str:
    return words("noise_title_all", count=count) if shown == count else words("noise_title", shown=shown, count=count)


def confusion_figure(name: str, matrix: NDArray[np.int64], classes: Sequence[str], words: Words) -> Drawing | None:
    """A confusion matrix int64 [classes, classes] (true by guessed), coloured by the share of the true class."""
    if len(classes) > MOST_CLASSES:
        return None

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        _matrix(axes, matrix, classes)
        title(figure, words("confusion_title", cell=name))
        axes.set_xlabel(words("col_guessed"))
        axes.set_ylabel(words("col_true"))

    side = max(WIDTH, 0.4 * len(classes))
    return draw(plot, side, side + 0.2)


def _matrix(axes: Any, matrix: NDArray[np.int64], classes: Sequence[str]) -> None:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    for (true, guessed), count in np.ndenumerate(matrix):
        if count:
            ink = "white" if shares[true, guessed] > 0.3 else "#222222"
            axes.text(guessed, true, str(count), ha="center", va="center", fontsize=SMALL, color=ink)
    names = [short(name, 12) for name in classes]
    turned = 90 if max(map(len, names)) > UPRIGHT else 0
    axes.set_xticks(range(len(classes)), names, rotation=turned, fontsize=SMALL)
    axes.set_yticks(range(len(classes)), names, fontsize=SMALL)


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
            axes.set_title("\n".join(short(line, 26) for line in caption.splitlines()), fontsize=8)

    return draw(plot, 1.45 * across, 1.8 * down)


def kind_words(kind: str, words: Words) -> str:
    """A kind of tensor in words; one that the catalogue does not know as it is."""
    return words(f"kind_{kind}") if words.known(f"kind_{kind}") else kind


def short(name: str, length: int = 36) -> str:
    """The end of a name that is longer than `length` letters; one of a wide script takes the room of two."""
    room = length
    for place in range(len(name) - 1, -1, -1):
        room -= 2 if east_asian_width(name[place]) in "WF" else 1
        if room < (place > 0):
            return "…" + name[place + 1 :]
    return name
