"""Which tensors in 8 bits cost the answers: the first thing to look at where INT8 loses accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from roundoff.report.plots.model import kind_words
from roundoff.report.plots.sensitivity import sensitivity_figure
from roundoff.report.render.document import Bullets, Details, Field, Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.words.numbers import MISSING, percent, percent_with_interval
from roundoff.results.message import Words
from roundoff.results.sensitivity import Effect, Whole
from roundoff.revisions.read import Evidence

COLUMNS = (
    "tensor",
    "kind",
    "layers",
    "rank",
    "logit_error",
    "agreement",
    "variance_share",
    "without",
    "without_agreement",
)
MOST_NAMED = 5


def sensitivity_section(page: Page, evidence: Evidence, words: Words) -> None:
    """The most important tensors in sentences and a plot, all of them in a table; nothing where none was measured."""
    effects, whole = evidence.effects, evidence.whole
    if not effects:
        return
    page.add(Heading(2, words("sensitivity_heading"), "sensitivity"))
    page.add(Paragraph(words("sensitivity_intro", images=whole.images, grid=whole.grid or MISSING)))
    page.add(Bullets((_worst(effects, words), _adding(whole, words))))
    alt = words("sensitivity_alt", tensor=effects[0].source, error=percent(effects[0].error))
    page.plot(sensitivity_figure(effects, words), Figure("sensitivity", alt, words("sensitivity_caption")))
    caption = words("sensitivity_table", count=len(effects))
    columns = tuple(words(f"col_{name}") for name in COLUMNS)
    page.add(Details(caption, (Table(caption, columns, tuple(_row(each, words) for each in effects), labels=3),)))


def _worst(effects: Sequence[Effect], words: Words) -> str:
    """The first, as the worst only where the images prove it."""
    first = effects[0]
    told = {"tensor": first.source, "error": percent_with_interval(first, "error")}
    told["share"] = percent(first.variance_share, 0)
    if first.is_worst:
        return words("sensitivity_worst", **told, layer=first.layer)
    possible = [effect.source for effect in effects if effect.rank_low == 1]
    named = words.listed(possible[:MOST_NAMED])
    return words("sensitivity_no_worst", **told, count=len(possible), total=len(effects), names=named)


def _adding(whole: Whole, words: Words) -> str:
    code = "sensitivity_adds" if whole.adds else "sensitivity_adds_not"
    told = {"root": percent(whole.root_sum_squares), "whole": percent_with_interval(whole, "error")}
    return words(code, **told, agreement=percent_with_interval(whole, "agreement"))


def _places(effect: Effect) -> str:
    low, high = effect.rank_low, effect.rank_high
    return str(low) if low == high else f"{low}–{high}"


def _row(effect: Effect, words: Words) -> tuple[Field, ...]:
    return row(
        effect.source,
        kind_words(effect.kind, words),
        words.listed(effect.layer.split(";")),
        _places(effect),
        percent_with_interval(effect, "error"),
        percent_with_interval(effect, "agreement"),
        percent(effect.variance_share, 1),
        percent_with_interval(effect, "without_error"),
        percent_with_interval(effect, "without_agreement"),
    )
