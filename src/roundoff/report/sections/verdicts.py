"""The verdict of every cell with its reasons, recommendations, accuracy against speed, warnings of the timing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roundoff.report.plots.speed import front_line, pareto_figure
from roundoff.report.render.document import Bullets, Details, Field, Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.tables import absent_rows, failed_rows, precision_name, verdict_field
from roundoff.report.words.decision import Decision, Recommendation
from roundoff.report.words.naming import cell_name, waiting_words
from roundoff.report.words.numbers import (
    MISSING,
    percent_with_interval,
    points_with_interval,
    probability,
    scientific,
)
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence

WARNING_KINDS = {
    "host-bound": "warning_host_bound",
    "throttled": "warning_throttled",
    "noisy": "warning_noisy",
    "copy-bound": "warning_copy",
    "CUDA graph": "warning_graph",
}


def warnings(evidence: Evidence, words: Words) -> tuple[str, ...]:
    """The timing's warnings, each with its cell and the batch sizes that it was given at."""
    return tuple(
        _warning(text, cell, batches, words)
        for cell in evidence.measured
        for text, batches in _batches_by_warning(cell).items()
    )


def _batches_by_warning(cell: Cell) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for batch, timing in cell.batches.items():
        for text in timing.get("warnings") or []:
            found.setdefault(str(text), []).append(str(batch))
    return {text: ", ".join(batches) for text, batches in found.items()}


def is_noisy(timing: Mapping[str, Any]) -> bool:
    """Whether the timing warns that its single runs vary."""
    return any(str(text).startswith("noisy") for text in timing.get("warnings") or [])


def _warning(text: str, cell: Cell, batches: str, words: Words) -> str:
    kind, _, numbers = text.partition(": ")
    known = kind in WARNING_KINDS
    key = WARNING_KINDS[kind] if known else "warning_other"
    return words(key, cell=cell.key, batch=batches, text=words.said(numbers) if known else words.said(text))


def verdict_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Recommendations, the verdict of every cell with its reasons, and the front of accuracy and speed."""
    decision = Decision(evidence.verdict)
    page.add(Heading(2, words("verdict_heading"), "verdict"), Paragraph(words("verdict_intro")))
    if not evidence.verdict:
        page.add(Paragraph(words("verdict_missing"), "warning"))
    else:
        page.add(_recommendations(decision, evidence, words), _verdicts(decision, evidence, words))
    for batch in evidence.batch_sizes:
        _pareto(page, evidence, decision, batch, words)
    found = warnings(evidence, words)
    if found:
        page.add(Details(words("warnings_summary", count=len(found)), (Bullets(found),)))


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
    rows = tuple(_recommendation_row(choice, evidence, words) for choice in decision.recommendations)
    return Table(words("recommendation_caption"), columns, rows, labels=3)


def _recommendation_row(choice: Recommendation, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    cell, separator = evidence.cell(choice.cell), words("list_separator")
    reasons = [_rule(choice, cell, evidence, words)]
    if choice.tied:
        reasons.append(words("answer_tied", cells=separator.join(choice.tied)))
    if choice.waiting:
        reasons.append(waiting_words(choice, evidence, words))
    name = cell_name(cell, words) if cell else Field(words("none"), "muted")
    return row(words(f"use_{choice.use}"), name, words("sentence_separator").join(reasons))


def _rule(choice: Recommendation, cell: Cell | None, evidence: Evidence, words: Words) -> str:
    """Why this cell is recommended for the use, or none."""
    if cell is None and choice.failed:
        cells = words("list_separator").join((*choice.failed, *choice.untimed))
        return words("rule_failed", cells=cells, batch=Decision(evidence.verdict).batch_size)
    if cell is None and choice.untimed:
        cells = words("list_separator").join(choice.untimed)
        return words("rule_untimed", cells=cells, batch=Decision(evidence.verdict).batch_size)
    if cell is None:
        return words(f"rule_{choice.use}_none")
    if choice.use == "reference" and cell.label != cell.precision:
        return words("rule_reference_as", label=cell.label)
    return words(f"rule_{choice.use}")


def _verdicts(decision: Decision, evidence: Evidence, words: Words) -> Table:
    names = ("backend", "precision", "verdict", "reasons", "drop", "agreement", "flips", "mcnemar", "error")
    rows = tuple(_verdict_row(cell, evidence, words) for cell in evidence.measured)
    rows += failed_rows(evidence, words, span=len(names) - 3)
    absent = absent_rows(evidence, words, span=len(names) - 2)
    return Table(words("verdict_caption"), tuple(words(f"col_{name}") for name in names), rows + absent, labels=4)


def _verdict_row(cell: Cell, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    """The reference has nothing to be compared with, so its comparison is dashes."""
    decision = Decision(evidence.verdict)
    accuracy = {} if cell.key == evidence.reference else cell.accuracy
    return row(
        cell.backend,
        precision_name(cell, words),
        verdict_field(decision.verdict(cell.key), words),
        words("group_separator").join(decision.reasons(cell.key, words)) or MISSING,
        points_with_interval(accuracy, "drop"),
        percent_with_interval(accuracy, "agreement"),
        " / ".join(MISSING if accuracy.get(key) is None else f"{accuracy[key]:,}" for key in ("lost", "gained")),
        probability(accuracy.get("mcnemar_p")),
        scientific((cell.facts.get("numerics") or {}).get("relative_error")),
    )
