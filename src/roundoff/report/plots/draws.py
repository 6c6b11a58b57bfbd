"""The plot of what the draw of calibration images matters, by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roundoff.report.plots.style import BELOW, PALETTE, WIDTH, draw, title
from roundoff.report.render.document import Drawing
from roundoff.results.message import Words
from roundoff.results.preparation import Draws

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 3.2


def draws_figure(found: Draws, words: Words) -> Drawing | None:
    """Agreement in percent by calibration images: mean and 95 % interval of another draw's, and the draws' ends."""
    if not found.sizes:
        return None

    def plot(figure: Figure) -> None:
        axes = figure.add_subplot()
        images, means = [size.images for size in found.sizes], [100 * size.agreement for size in found.sizes]
        ends = [
            [100 * (size.agreement - size.agreement_low) for size in found.sizes],
            [100 * (size.agreement_high - size.agreement) for size in found.sizes],
        ]
        seen: Any = {"colors": PALETTE[5], "linewidth": 6, "alpha": 0.6, "label": words("col_agreement_seen")}
        lowest, highest = ([100 * end for end in each] for each in _seen(found))
        axes.vlines(images, lowest, highest, **seen)
        style: Any = {"fmt": "o-", "color": PALETTE[0], "capsize": 4, "linewidth": 1.2}
        axes.errorbar(images, means, yerr=ends, **style, label=words("draws_mean"))
        axes.set_xscale("log", base=2)
        axes.set_xticks(images, [f"{count:,}" for count in images])
        axes.minorticks_off()
        axes.margins(x=0.15)
        axes.set_xlabel(words("col_images_drawn"))
        axes.set_ylabel(words("axis_agreement"))
        title(figure, words("draws_title", draws=found.draws))
        figure.legend(**BELOW | {"ncols": 2})

    return draw(plot, WIDTH, HEIGHT)


def _seen(found: Draws) -> tuple[list[float], list[float]]:
    """The least and the largest agreement of the draws of each size."""
    return [size.lowest for size in found.sizes], [size.highest for size in found.sizes]
