"""The verdict of every cell with its reasons, accuracy against speed, warnings of the timing."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.plots.speed import front_line, pareto_figure
from roundoff.report.render.document import (
    Bullets,
    Details,
    Drawing,
    Field,
    Figure,
    Heading,
    Page,
    Paragraph,
    Table,
    row,
)
from roundoff.report.sections.opening import drop_plot
from roundoff.report.sections.rows import absent_rows, failed_rows, folded, marked_rows, row_name, verdict_field
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import (
    MISSING,
    percent,
    percent_with_interval,
    plain,
    points_with_interval,
    probability,
    scientific,
)
from roundoff.results.cell import Accuracy
from roundoff.results.message import Message, Words
from roundoff.revisions.read import Cell, Evidence


def warnings(evidence: Evidence, words: Words) -> tuple[str, ...]:
    """The timing's warnings, each with its cell and the batch sizes that it was given at."""
    return tuple(
        _warning(warning, cell, batches, words)
        for cell in evidence.measured
        for warning, batches in _batches_by_warning(cell).items()
    )


def _batches_by_warning(cell: Cell) -> dict[Message, str]:
    batches_of: dict[Message, list[str]] = {}
    for batch, timing in cell.batches.items():
        for warning in timing.warnings:
            batches_of.setdefault(warning, []).append(str(batch))
    return {warning: ", ".join(batches) for warning, batches in batches_of.items()}


def _warning(warning: Message, cell: Cell, batches: str, words: Words) -> str:
    key = f"warning_{warning.code}"
    return words(key if words.known(key) else "warning_other", cell=cell.key, batch=batches, text=warning)


def verdict_section(page: Page, evidence: Evidence, words: Words) -> None:
    """The verdict of every cell with its reasons, and the front of accuracy and speed."""
    decision = Decision(evidence.verdict)
    intro = words("verdict_intro", reference=evidence.reference or words("none"))
    if decision.has_budgets:
        intro += words("sentence_separator") + words("verdict_budgets")
    page.add(Heading(2, words("verdict_heading"), "verdict"), Paragraph(intro))
    if evidence.verdict is None:
        page.add(Paragraph(words("verdict_missing"), "warning"))
    else:
        page.add(*folded(_verdicts(decision, evidence, words), words))
    page.plots(_plots(evidence, decision, words))
    told = warnings(evidence, words)
    if told:
        page.add(Details(words("warnings_summary", count=len(told)), (Bullets(told),)))


def _plots(evidence: Evidence, decision: Decision, words: Words) -> Iterator[tuple[Drawing | None, Figure]]:
    """Accuracy against speed where cells are ranked; elsewhere what is lost, as on the first screen."""
    for batch in evidence.batch_sizes:
        if batch == evidence.main_batch:
            yield _pareto(evidence, decision, batch, words)
        else:
            yield drop_plot(evidence, batch, f"drop_batch_{batch}", words)


def _pareto(evidence: Evidence, decision: Decision, batch: int, words: Words) -> tuple[Drawing | None, Figure]:
    """With the front, which holds for the batch size that cells are ranked at."""
    front = decision.front
    caption = words("pareto_caption", batch=batch)
    if front_line(evidence, batch, front):
        caption += words("pareto_front")
    marks = [
        words(
            "pareto_mark",
            cell=cell_name(cell, words),
            top1=percent(cell.accuracy.top1),
            time=plain(timing.end_to_end_p50_ms),
        )
        for cell in evidence.measured
        if cell.accuracy and (timing := cell.batches.get(batch))
    ]
    alt = words("pareto_alt", batch=batch, marks=words("group_separator").join(marks))
    figure = Figure(f"pareto_batch_{batch}", alt, caption)
    return pareto_figure(evidence, batch, front, decision.shipped_name, words), figure


def _verdicts(decision: Decision, evidence: Evidence, words: Words) -> Table:
    names = ("cell", "verdict", "reasons", "drop", "agreement", "flips", "mcnemar", "error")
    rows = tuple(_verdict_row(cell, evidence, words) for cell in evidence.measured)
    rows += failed_rows(evidence, words, span=len(names) - 2)
    absent = absent_rows(evidence, words, span=len(names) - 1)
    columns, marked = (
        tuple(words(f"col_{name}") for name in names),
        marked_rows(evidence.measured, decision.shipped_name),
    )
    return Table(words("verdict_caption"), columns, rows + absent, labels=3, marked=marked)


def _verdict_row(cell: Cell, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    """The reference has nothing to be compared with, so its comparison is dashes."""
    decision = Decision(evidence.verdict)
    accuracy = None if cell.key == evidence.reference else cell.accuracy
    return row(
        row_name(cell, decision.shipped_name, words),
        verdict_field(decision.verdict(cell.key), words),
        words("group_separator").join(decision.reasons(cell.key, words)) or MISSING,
        points_with_interval(accuracy, "drop"),
        percent_with_interval(accuracy, "agreement"),
        " / ".join(MISSING if count is None else f"{count:,}" for count in _flips(accuracy)),
        probability(accuracy.mcnemar_p if accuracy else None),
        scientific(cell.relative_error),
    )


def _flips(accuracy: Accuracy | None) -> tuple[int | None, int | None]:
    return (accuracy.regressed, accuracy.corrected) if accuracy else (None, None)
