"""Quantization noise per tensor, and training curves."""

from __future__ import annotations

from collections.abc import Mapping

from roundoff.report.plots.model import curves_figure, noise_figure
from roundoff.report.render.document import Details, Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.words.numbers import plain
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence


def noise_section(page: Page, evidence: Evidence, words: Words) -> None:
    """The worst tensors as a plot, all of them in a table that folds away."""
    page.add(Heading(2, words("noise_heading"), "noise"))
    if not evidence.noise:
        page.add(Paragraph(words("noise_none")))
        return
    held = [line for line in evidence.noise if is_quantized(line)]
    page.plot(noise_figure(held), Figure("noise", words("noise_alt"), words("noise_caption")))
    columns = tuple(words(f"col_{name}") for name in ("tensor", "kind", "quantized", "sqnr", "range"))
    rows = tuple(
        row(
            line["tensor"],
            _kind(line["kind"], words),
            words("yes" if is_quantized(line) else "no"),
            plain(float(line["sqnr_db"])),
            f"{plain(float(line['low']))} … {plain(float(line['high']))}",
        )
        for line in sorted(evidence.noise, key=lambda line: float(line["sqnr_db"]))
    )
    caption = words("noise_table", count=len(rows))
    page.add(Details(caption, (Table(caption, columns, rows, labels=3),)))


def _kind(kind: str, words: Words) -> str:
    return words(f"kind_{kind}") if words.known(f"kind_{kind}") else kind


def is_quantized(line: Mapping[str, str]) -> bool:
    """Whether the graph that is built holds the tensor in 8 bits; a run that does not tell had all of them so."""
    return line.get("quantized", "True") == "True"


def curves_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Loss and accuracy over the epochs."""
    page.add(Heading(2, words("curves_heading"), "training"))
    drawing = curves_figure(evidence.curves)
    if drawing is None:
        page.add(Paragraph(words("curves_none")))
    page.plot(drawing, Figure("curves", words("curves_alt"), words("curves_caption")))
