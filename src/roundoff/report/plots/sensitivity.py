"""The plot of the tensors that cost the answers most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roundoff.report.plots.model import BAR_AND_NAME, WORST_TENSORS, bars_under_names, kind_words
from roundoff.report.plots.style import BELOW, WIDTH, draw, kind_colour, title
from roundoff.report.render.document import Drawing
from roundoff.results.message import Words
from roundoff.results.sensitivity import Effect

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sensitivity_figure(effects: Sequence[Effect], words: Words) -> Drawing | None:
    """What the logits err by where one tensor alone is in 8 bits, with its interval, the largest first."""
    worst = sorted(effects, key=lambda effect: effect.rank)[:WORST_TENSORS]
    if not worst:
        return None
    kinds = tuple(sorted({effect.kind for effect in worst}))

    def plot(figure: Figure) -> None:
        from matplotlib.patches import Patch

        axes = figure.add_subplot()
        errors = [100 * effect.error for effect in worst]
        ends = [
            [100 * (effect.error - effect.error_low) for effect in worst],
            [100 * (effect.error_high - effect.error) for effect in worst],
        ]
        colours = [kind_colour(effect.kind, kinds) for effect in worst]
        names = [effect.source for effect in worst]
        bars_under_names(axes, names, errors, xerr=ends, color=colours, error_kw={"linewidth": 1})
        axes.set_xlabel(words("axis_logit_error"))
        title(figure, words("sensitivity_title", shown=len(worst), count=len(effects)))
        figure.legend(
            handles=[Patch(color=kind_colour(kind, kinds), label=kind_words(kind, words)) for kind in kinds], **BELOW
        )

    return draw(plot, WIDTH, 1.3 + BAR_AND_NAME * len(worst))
