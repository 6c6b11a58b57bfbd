"""Quantization noise per tensor, and training curves."""

from __future__ import annotations

from collections.abc import Sequence

from roundoff.report.plots.model import curves_figure, kind_words, noise_figure
from roundoff.report.render.document import Details, Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.words.numbers import MISSING, plain
from roundoff.results.message import Words
from roundoff.results.preparation import Noise
from roundoff.revisions.read import Evidence

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


def noise_section(page: Page, evidence: Evidence, words: Words) -> None:
    """The worst tensors as a plot, all of them in a table that folds away."""
    page.add(Heading(2, words("noise_heading"), "noise"))
    if not evidence.noise:
        page.add(Paragraph(words("noise_none")))
        return
    held = [line for line in evidence.noise if line.quantized]
    page.add(Paragraph(_counts(evidence.noise, held, words)))
    page.plot(noise_figure(held, words), Figure("noise", _noise_alt(held, words), words("noise_caption")))
    columns = tuple(words(f"col_{name}") for name in ("tensor", "kind", "quantized", "sqnr", "range"))
    rows = tuple(
        row(
            line.tensor,
            kind_words(line.kind, words),
            words("yes" if line.quantized else "no"),
            plain(line.sqnr_db),
            f"{plain(line.low)} … {plain(line.high)}",
        )
        for line in sorted(evidence.noise, key=lambda line: line.sqnr_db)
    )
    caption = words("noise_table", count=len(rows))
    page.add(Details(caption, (Table(caption, columns, rows, labels=3),)))


def _counts(rows: Sequence[Noise], held: Sequence[Noise], words: Words) -> str:
    """How many tensors were watched, of which kinds, and how many are held in 8 bits."""
    kinds = {kind: sum(1 for line in rows if line.kind == kind) for kind in ("activation", "weight")}
    return words(
        "noise_counts", total=len(rows), **{f"{kind}s": count for kind, count in kinds.items()}, held=len(held)
    )


def _noise_alt(held: Sequence[Noise], words: Words) -> str:
    if not held:
        return words("noise_alt", tensor=MISSING, sqnr=plain(0.0))
    worst = min(held, key=lambda line: line.sqnr_db)
    return words("noise_alt", tensor=worst.tensor, sqnr=plain(worst.sqnr_db))


def curves_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Loss and accuracy over the epochs."""
    page.add(Heading(2, words("curves_heading"), "training"))
    drawing = curves_figure(evidence.curves, words)
    if drawing is None:
        page.add(Paragraph(words("curves_none")))
    page.plot(drawing, Figure("curves", _curves_alt(evidence, words), words("curves_caption")))


def _curves_alt(evidence: Evidence, words: Words) -> str:
    rows = evidence.curves or [{}]
    last = {name: value for name, value in rows[-1].items() if name in CURVES}
    values = words.listed(f"{name} {plain(float(value))}" for name, value in last.items())
    return words("curves_alt", epochs=len(rows), values=values)
