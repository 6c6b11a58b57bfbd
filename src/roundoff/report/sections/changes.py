"""What quantization changed: images whose answer flipped, and confusion matrices."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.accuracy import NOT_RUN
from roundoff.report.plots.model import confusion_figure, flips_figure
from roundoff.report.render.document import (
    Details,
    Drawing,
    Figure,
    Gallery,
    Heading,
    Page,
    Paragraph,
    Picture,
    Table,
    row,
)
from roundoff.report.words.compute_types import is_8_bit
from roundoff.report.words.decision import Decision
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence

Classes = NDArray[np.int64]
MOST_PAIRS = 20


def changes_section(page: Page, evidence: Evidence, words: Words, examples: int) -> None:
    """Flips and confusion of every 8-bit cell against the reference, the worst first; pictures of the worst alone."""
    page.add(Heading(2, words("changed_heading"), "changes"))
    cells, reference = quantized_cells(evidence), evidence.cell(evidence.reference)
    if not cells:
        page.add(Paragraph(words("changed_none")))
        return
    if reference is None:
        page.add(Paragraph(words("changed_no_reference", cell=cells[0].key)))
        return
    before = evidence.guesses(reference)
    if before is None:
        page.add(Paragraph(words("changed_no_answers", cell=reference.key)))
        return
    shipped = Decision(evidence.verdict).shipped_name
    for place, cell in enumerate(cells):
        after = evidence.guesses(cell)
        if after is None:
            page.add(Paragraph(words("changed_no_answers", cell=cell.key)))
            continue
        _flips(page, evidence, words, cell, before, after, examples if place == 0 else 0)
        if place == 0:
            page.plots(_matrices({"reference": (reference, before), "quantized": (cell, after)}, evidence, words))
        elif cell.key == shipped and not np.array_equal(before, after):
            page.plots(_matrices({"shipped": (cell, after)}, evidence, words))
        _confused_pairs(page, evidence, words, cell, after)


def quantized_cells(evidence: Evidence) -> list[Cell]:
    """The measured 8-bit cells, the one that agrees least with the reference first."""
    cells = [cell for cell in evidence.measured if is_8_bit(cell)]
    return sorted(cells, key=lambda cell: (cell.accuracy.agreement if cell.accuracy else None) or 0.0)


def _flips(
    page: Page, evidence: Evidence, words: Words, cell: Cell, before: Classes, after: Classes, examples: int
) -> None:
    labels, reference, run = evidence.labels, evidence.reference, after != NOT_RUN
    changed, samples = np.flatnonzero((before != after) & run), f"{np.count_nonzero(run):,}"
    if not changed.size:
        page.add(Paragraph(words("flips_same", cell=cell.key, reference=reference, samples=samples)))
        return
    regressed, corrected = (before == labels)[changed], (after == labels)[changed]
    counts = {"changed": changed.size, "regressed": int(regressed.sum()), "corrected": int(corrected.sum())}
    other = int((~regressed & ~corrected).sum())
    page.add(
        Paragraph(words("flips_summary", cell=cell.key, reference=reference, samples=samples, other=other, **counts))
    )
    shown = changed[np.argsort(~regressed, kind="stable")][:examples]
    if shown.size:
        page.add(Paragraph(words("flips_shown", shown=shown.size, changed=changed.size)))
        _gallery(page, evidence, words, cell, shown, before, after)


def _gallery(
    page: Page, evidence: Evidence, words: Words, cell: Cell, shown: Classes, before: Classes, after: Classes
) -> None:
    images = [np.asarray(evidence.test_images[index]) for index in shown]
    answers = [tuple(evidence.class_name(guess[i]) for guess in (evidence.labels, before, after)) for i in shown]
    captions = [
        words("flip_caption", index=index, true=true, before=wide, after=narrow)
        for index, (true, wide, narrow) in zip(shown, answers, strict=True)
    ]
    pictures = tuple(
        Picture(_png(image), true, caption)
        for image, (true, _, _), caption in zip(images, answers, captions, strict=True)
    )
    sheet = flips_figure(images, [f"#{i} {t}\n{w} → {n}" for i, (t, w, n) in zip(shown, answers, strict=True)])
    if sheet is not None:
        page.drawings["flips"] = sheet
    page.add(Gallery("flips", words("flips_alt", cell=cell.key), pictures))


def _png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image.squeeze()).save(buffer, format="png")
    return buffer.getvalue()


def _matrices(
    answered: Mapping[str, tuple[Cell, Classes]], evidence: Evidence, words: Words
) -> Iterator[tuple[Drawing | None, Figure]]:
    """A confusion matrix for each cell with its answers, by the plot's name."""
    for kind, (cell, guesses) in answered.items():
        matrix = confusion(evidence, guesses)
        alt = _confusion_alt(cell.key, matrix, evidence, int(np.sum(guesses != NOT_RUN)), words)
        figure = Figure(f"confusion_{kind}", alt, words("confusion_caption", cell=cell.key))
        yield confusion_figure(cell.key, matrix, evidence.classes, words), figure


def _confusion_alt(name: str, matrix: NDArray[np.int64], evidence: Evidence, run: int, words: Words) -> str:
    right, samples = f"{int(np.trace(matrix)):,}", f"{run:,}"
    worst = [
        words("confusion_pair", true=evidence.classes[true], guessed=evidence.classes[guessed], count=count)
        for true, guessed, count in _confused(matrix)[:1]
    ]
    return words("confusion_alt", cell=name, right=right, samples=samples, pair=words.listed(worst or [words("none")]))


def _confused_pairs(page: Page, evidence: Evidence, words: Words, cell: Cell, after: Classes) -> None:
    pairs = _confused(confusion(evidence, after))
    if pairs:
        names = evidence.classes
        columns = tuple(words(f"col_{name}") for name in ("true", "guessed", "count"))
        rows = tuple(row(names[true], names[guessed], str(count)) for true, guessed, count in pairs)
        caption = words("confusion_table", cell=cell.key)
        page.add(Details(caption, (Table(caption, columns, rows, labels=2),)))


def confusion(evidence: Evidence, guesses: Classes) -> NDArray[np.int64]:
    """Counts int64 [classes, classes]: true class by guessed class; answers that are not finite are left out."""
    size = len(evidence.classes)
    finite = guesses >= 0
    flat = np.bincount(evidence.labels[finite] * size + guesses[finite], minlength=size * size)
    return flat.reshape(size, size).astype(np.int64)


def _confused(matrix: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    pairs = [(int(true), int(guessed)) for true, guessed in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    return [(true, guessed, int(wrong[true, guessed])) for true, guessed in pairs if wrong[true, guessed]]
