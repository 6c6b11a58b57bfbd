"""Accuracy slice by slice: what is fine overall and loses a part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from roundoff.report.render.document import Details, Field, Heading, Page, Paragraph, Table, row
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import percent, points_with_interval, probability
from roundoff.results.message import Words
from roundoff.results.slices import CLASS, SliceLoss
from roundoff.revisions.read import Evidence

MOST_SHOWN = 12
MOST_FOLDED = 200


def slices_section(page: Page, evidence: Evidence, words: Words) -> None:
    """What is proven, and a row for each slice of each cell: the worst, then those that fold away."""
    losses, reference = evidence.slices, evidence.reference
    if not losses:
        return
    names = dict.fromkeys(loss.column for loss in losses if loss.column != CLASS)
    columns = words("slices_columns", names=words.listed(names)) if names else ""
    intro = words("slices_intro", reference=reference, columns=columns, tests=f"{len(losses):,}")
    claimed = sum(loss.loses for loss in losses)
    found = words("slices_claimed", count=claimed, tests=f"{len(losses):,}") if claimed else words("slices_none")
    page.add(Heading(2, words("slices_heading"), "slices"), Paragraph(intro), Paragraph(found))
    first = max(claimed, MOST_SHOWN) if claimed <= MOST_FOLDED else MOST_SHOWN
    page.add(_table(words("slices_caption", reference=reference), losses[:first], evidence, words))
    if rest := losses[first : first + MOST_FOLDED]:
        caption = words("slices_rest", count=f"{len(losses) - first:,}", most=MOST_FOLDED)
        page.add(Details(caption, (_table(caption, rest, evidence, words),)))


def slice_notes(evidence: Evidence, words: Words) -> Iterator[str]:
    """A sentence for each cell that passes as a whole and is proven to lose accuracy on a slice."""
    for name, judged in (evidence.verdict.cells if evidence.verdict else {}).items():
        if judged.warnings:
            yield words("note_slices", cell=name, text=words.sentences(judged.warnings))


def _table(caption: str, losses: Sequence[SliceLoss], evidence: Evidence, words: Words) -> Table:
    heads = ("cell", "slice", "count", "reference", "accuracy", "drop", "flips_slice", "p_holm")
    rows = tuple(_row(loss, evidence, words) for loss in losses)
    return Table(caption, tuple(words(f"col_{head}") for head in heads), rows, labels=2)


def _row(loss: SliceLoss, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    cell = evidence.cell(loss.cell)
    return row(
        cell_name(cell, words) if cell else loss.cell,
        words("slice_name", column=loss.column, slice=loss.slice),
        f"{loss.images:,}",
        percent(loss.reference_top1, 1),
        percent(loss.top1, 1),
        points_with_interval(loss, "drop"),
        f"{loss.regressed:,} / {loss.corrected:,}",
        Field(probability(loss.p_holm), "bad") if loss.loses else probability(loss.p_holm),
    )
