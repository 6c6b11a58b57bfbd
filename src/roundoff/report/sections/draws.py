"""Whether another draw of calibration images, or more of them, would do better."""

from __future__ import annotations

from roundoff.report.plots.draws import draws_figure
from roundoff.report.render.document import Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.words.numbers import percent, points
from roundoff.results.message import Words
from roundoff.results.preparation import Draws, DrawSize
from roundoff.revisions.read import Evidence


def draws_section(page: Page, evidence: Evidence, words: Words) -> None:
    """A sentence on the draw, one on the number of images, a plot and a row for each; nothing where it is off."""
    calibrated = evidence.calibration
    found = calibrated.draws if calibrated else None
    if calibrated is None or found is None or not found.sizes:
        return
    asked = calibrated.images or found.sizes[0].images
    own = min(found.sizes, key=lambda size: abs(size.images - asked))
    ends = {"low": percent(own.agreement_low), "high": percent(own.agreement_high)}
    intro = words("draws_intro", draws=found.draws, judged=f"{found.judged:,}", images=f"{own.images:,}", **ends)
    page.add(Heading(2, words("draws_heading"), "draws"))
    page.add(Paragraph(words("sentence_separator").join([intro, _suffices(found, own, words)])))
    alt = words("draws_alt", images=f"{own.images:,}", agreement=percent(own.agreement), **ends)
    page.plot(draws_figure(found, words), Figure("draws", alt, words("draws_plot_caption")))
    page.add(_table(found, words))


def _suffices(found: Draws, own: DrawSize, words: Words) -> str:
    if found.suffices is None:
        return words("draws_suffices_unknown")
    ends = f"{points(found.gain_low)} … {points(found.gain_high)}"
    counts = {"images": f"{own.images:,}", "most": f"{found.sizes[-1].images:,}"}
    return words(f"draws_suffices_{found.suffices}", **counts, gain=points(found.gain), ends=ends)


def _table(found: Draws, words: Words) -> Table:
    columns = ("col_images_drawn", "col_agreement_mean", "col_agreement_next", "col_agreement_seen")
    rows = tuple(
        row(
            f"{size.images:,}",
            percent(size.agreement),
            f"{percent(size.agreement_low)} – {percent(size.agreement_high)}",
            f"{percent(size.lowest)} – {percent(size.highest)}",
        )
        for size in found.sizes
    )
    return Table(words("draws_caption"), tuple(words(column) for column in columns), rows, labels=1)
