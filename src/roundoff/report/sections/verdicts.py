"""The verdict of every cell with its reasons, recommendations, accuracy against speed, warnings of the timing."""

from __future__ import annotations

from roundoff.report.plots.speed import front_line, pareto_figure
from roundoff.report.render.document import Bullets, Details, Field, Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.tables import absent_rows, failed_rows, precision_name, verdict_field
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name, waiting_words
from roundoff.report.words.numbers import (
    MISSING,
    percent_with_interval,
    points_with_interval,
    probability,
    scientific,
)
from roundoff.results.cell import Accuracy, Batch
from roundoff.results.message import Message, Words
from roundoff.results.values import Use
from roundoff.results.verdict import Recommendation
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


def is_noisy(timing: Batch) -> bool:
    """Whether the timing warns that its single runs vary."""
    return any(warning.code == "noisy" for warning in timing.warnings)


def verdict_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Recommendations, the verdict of every cell with its reasons, and the front of accuracy and speed."""
    decision = Decision(evidence.verdict)
    page.add(Heading(2, words("verdict_heading"), "verdict"), Paragraph(words("verdict_intro")))
    if evidence.verdict is None:
        page.add(Paragraph(words("verdict_missing"), "warning"))
    else:
        page.add(_recommendations(decision, evidence, words), _verdicts(decision, evidence, words))
    for batch in evidence.batch_sizes:
        _pareto(page, evidence, decision, batch, words)
    told = warnings(evidence, words)
    if told:
        page.add(Details(words("warnings_summary", count=len(told)), (Bullets(told),)))


def _pareto(page: Page, evidence: Evidence, decision: Decision, batch: int, words: Words) -> None:
    """The front holds for the batch size that cells are ranked at, so it is drawn there alone."""
    ranked = batch == evidence.main_batch
    front = decision.front if ranked else []
    caption = words("pareto_caption", batch=batch)
    if front_line(evidence, batch, front):
        caption += words("pareto_front")
    figure = Figure(f"pareto_batch_{batch}", words("pareto_alt", batch=batch), caption)
    page.plot(pareto_figure(evidence, batch, front), figure)


def _recommendations(decision: Decision, evidence: Evidence, words: Words) -> Table:
    columns = tuple(words(f"col_{name}") for name in ("use", "recommended", "reasons"))
    rows = tuple(_recommendation_row(use, choice, evidence, words) for use, choice in decision.recommendations.items())
    return Table(words("recommendation_caption"), columns, rows, labels=3)


def _recommendation_row(use: Use, choice: Recommendation, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    cell = evidence.cell(choice.cell)
    reasons = [_rule(use, choice, cell, evidence, words)]
    if choice.tied:
        reasons.append(words("answer_tied", cells=words.listed(choice.tied)))
    if choice.undecided:
        reasons.append(waiting_words(choice, evidence, words))
    name = cell_name(cell, words) if cell else Field(words("none"), "muted")
    return row(words(f"use_{use}"), name, words("sentence_separator").join(reasons))


def _rule(use: Use, choice: Recommendation, cell: Cell | None, evidence: Evidence, words: Words) -> str:
    """Why this cell is recommended for the use, or none."""
    batch = Decision(evidence.verdict).batch_size
    if cell is None and choice.failed:
        return words("rule_failed", cells=words.listed((*choice.failed, *choice.not_timed)), batch=batch)
    if cell is None and choice.not_timed:
        return words("rule_not_timed", cells=words.listed(choice.not_timed), batch=batch)
    if cell is None:
        return words(f"rule_{use}_none")
    if use == "reference" and cell.effective_precision != cell.precision:
        return words("rule_reference_as", effective=cell.effective_precision)
    return words(f"rule_{use}")


def _verdicts(decision: Decision, evidence: Evidence, words: Words) -> Table:
    names = ("backend", "precision", "verdict", "reasons", "drop", "agreement", "flips", "mcnemar", "error")
    rows = tuple(_verdict_row(cell, evidence, words) for cell in evidence.measured)
    rows += failed_rows(evidence, words, span=len(names) - 3)
    absent = absent_rows(evidence, words, span=len(names) - 2)
    return Table(words("verdict_caption"), tuple(words(f"col_{name}") for name in names), rows + absent, labels=4)


def _verdict_row(cell: Cell, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    """The reference has nothing to be compared with, so its comparison is dashes."""
    decision = Decision(evidence.verdict)
    accuracy = None if cell.key == evidence.reference else cell.accuracy
    return row(
        cell.backend,
        precision_name(cell, words),
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
