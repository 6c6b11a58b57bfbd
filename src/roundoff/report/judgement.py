"""The answer at the top, what to know before using the numbers, and the verdict; the words follow the data."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.comparison import absent_groups, absent_rows, precision_name, verdict_field
from roundoff.report.decision import Decision, Recommendation
from roundoff.report.document import Bullets, Details, Field, Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.evidence import Cell, Evidence
from roundoff.report.figures import pareto_figure
from roundoff.report.machine import machine_name
from roundoff.report.messages import Words
from roundoff.report.numbers import (
    MISSING,
    interval,
    percent,
    percent_with_interval,
    plain,
    points_with_interval,
    scientific,
    times_with_interval,
)

WARNING_KINDS = {
    "host-bound": "warning_host_bound",
    "throttled": "warning_throttled",
    "noisy": "warning_noisy",
    "copy-bound": "warning_copy",
}


def answer_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Which precision to ship here, how sure that is, and on which machine it holds."""
    machine, decision = machine_name(evidence.platform, words), Decision(evidence.verdict)
    choice = decision.shipped
    cell = evidence.cell(choice.cell) if choice else None
    page.add(Heading(2, words("answer_heading"), "answer"))
    if choice is None or cell is None:
        page.add(Paragraph(words("answer_none", machine=machine), "lead"))
    else:
        page.add(Paragraph(words("answer_ship", cell=cell_name(cell, words), machine=machine), "lead"))
        page.add(_paragraph(_support(cell, choice, evidence, words), words))
    page.add(_paragraph(_scope(evidence, words), words))
    notes = tuple(_notes(evidence, words))
    if notes:
        page.add(Heading(3, words("notes_heading"), "notes"), Bullets(notes))


def _paragraph(sentences: Iterator[str], words: Words) -> Paragraph:
    return Paragraph(words("sentence_separator").join(sentences))


def _support(cell: Cell, choice: Recommendation, evidence: Evidence, words: Words) -> Iterator[str]:
    batch = evidence.main_batch
    timing = cell.batches.get(batch, {}) if batch else {}
    if timing.get("end_to_end_p50_ms") is not None:
        compared = cell.precision != "fp32" and timing.get("end_to_end_speedup") is not None
        key = "answer_speed" if compared else "answer_speed_plain"
        speedup, time = times_with_interval(timing, "end_to_end_speedup"), plain(timing["end_to_end_p50_ms"])
        yield words(key, batch=batch, time=time, speedup=speedup)
    drop = drop_words(cell, evidence, words)
    top1 = percent_with_interval(cell.accuracy, "top1")
    yield words("answer_accuracy", top1=top1, samples=cell.accuracy.get("samples"), drop=drop)
    yield from _rivals(choice, evidence, words)


def _rivals(choice: Recommendation, evidence: Evidence, words: Words) -> Iterator[str]:
    """Cells that a reader may wonder about: as fast, faster but undecided, faster with a measurable loss."""
    separator = words("list_separator")
    if choice.tied:
        yield words("answer_tied", cells=separator.join(choice.tied))
    if choice.waiting:
        yield _waiting(choice, evidence, words)
    fastest = next((other for other in Decision(evidence.verdict).recommendations if other.use == "fastest"), None)
    faster = evidence.cell(fastest.cell) if fastest else None
    if faster is not None and faster.key != choice.cell:
        yield words("answer_faster", cell=cell_name(faster, words), drop=drop_words(faster, evidence, words))


def _waiting(choice: Recommendation, evidence: Evidence, words: Words) -> str:
    """The faster cells that are undecided, each with the number of test images that would decide."""
    needed = {cell: Decision(evidence.verdict).samples_needed(cell) for cell in choice.waiting}
    names = [words("cell_needs", cell=cell, count=count) if count else cell for cell, count in needed.items()]
    return words("answer_waiting", cells=words("list_separator").join(names))


def _scope(evidence: Evidence, words: Words) -> Iterator[str]:
    target = Decision(evidence.verdict).target(words)
    if target:
        yield words("answer_target", target=target)
    separator = words("list_separator")
    absent = [
        words("absent_group", backend=backend, precisions=separator.join(names))
        for (backend, _), names in absent_groups(evidence).items()
    ]
    if absent:
        yield words("answer_unavailable", cells=words("group_separator").join(absent))
    yield words("answer_holds", id=evidence.platform.get("id"))


def drop_words(cell: Cell, evidence: Evidence, words: Words) -> str:
    """What the interval of the paired drop allows one to say, and no more."""
    if cell.key == evidence.reference:
        return words("drop_reference")
    bounds = interval(cell.accuracy, "drop")
    if bounds is None:
        return words("drop_unknown")
    low, high = (f"{100 * abs(bound):.2f}" for bound in bounds)
    if bounds[0] > 0:
        return words("drop_lost", low=low, high=high)
    return words("drop_none") if bounds[1] <= 0 else words("drop_open", high=high)


def _notes(evidence: Evidence, words: Words) -> Iterator[str]:
    if len(evidence.platform_ids) > 1:
        yield words("note_platforms", ids=", ".join(evidence.platform_ids))
    for cell in evidence.measured:
        yield from _cell_notes(cell, evidence, words)
    for backend in dict.fromkeys(cell.backend for cell in evidence.measured):
        wide = evidence.cell(f"fp32/{backend}")
        if wide is None or not wide.measured:
            yield words("note_fp32_missing", backend=backend)


def _cell_notes(cell: Cell, evidence: Evidence, words: Words) -> Iterator[str]:
    chance = evidence.chance
    low = cell.accuracy.get("top1_low")
    if low is not None and low <= chance:
        values = {"low": percent(low), "chance": percent(chance), "classes": len(evidence.classes)}
        yield words("note_chance", cell=cell.key, **values)
    if cell.label != cell.precision:
        error = scientific((cell.facts.get("numerics") or {}).get("relative_error"))
        yield words("note_relabelled", cell=cell.key, precision=cell.precision, label=cell.label, error=error)


def warnings(evidence: Evidence, words: Words) -> tuple[str, ...]:
    """The timing's warnings, each with its cell and batch size."""
    return tuple(
        _warning(str(text), cell, batch, words)
        for cell in evidence.measured
        for batch, timing in cell.batches.items()
        for text in timing.get("warnings") or []
    )


def _warning(text: str, cell: Cell, batch: int, words: Words) -> str:
    kind, _, numbers = text.partition(": ")
    known = kind in WARNING_KINDS
    key = WARNING_KINDS[kind] if known else "warning_other"
    return words(key, cell=cell.key, batch=batch, text=numbers if known else text)


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
    caption = words("pareto_caption", batch=batch) + (words("pareto_front") if ranked else "")
    figure = Figure(f"pareto_batch_{batch}", words("pareto_alt", batch=batch), caption)
    page.plot(pareto_figure(evidence, batch, decision.front if ranked else ()), figure)


def _recommendations(decision: Decision, evidence: Evidence, words: Words) -> Table:
    columns = tuple(words(f"col_{name}") for name in ("use", "recommended", "reasons"))
    rows = tuple(_recommendation_row(choice, evidence, words) for choice in decision.recommendations)
    return Table(words("recommendation_caption"), columns, rows, labels=3)


def _recommendation_row(choice: Recommendation, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    cell, separator = evidence.cell(choice.cell), words("list_separator")
    reasons = [words(f"rule_{choice.use}" if cell else f"rule_{choice.use}_none")]
    if choice.tied:
        reasons.append(words("answer_tied", cells=separator.join(choice.tied)))
    if choice.waiting:
        reasons.append(_waiting(choice, evidence, words))
    name = cell_name(cell, words) if cell else Field(words("none"), "muted")
    return row(words(f"use_{choice.use}"), name, words("sentence_separator").join(reasons))


def _verdicts(decision: Decision, evidence: Evidence, words: Words) -> Table:
    names = ("backend", "precision", "verdict", "reasons", "drop", "agreement", "flips", "mcnemar", "error")
    rows = tuple(_verdict_row(cell, decision, words) for cell in evidence.measured)
    absent = absent_rows(evidence, words, span=len(names) - 2)
    return Table(words("verdict_caption"), tuple(words(f"col_{name}") for name in names), rows + absent, labels=4)


def _verdict_row(cell: Cell, decision: Decision, words: Words) -> tuple[Field, ...]:
    accuracy = cell.accuracy
    return row(
        cell.backend,
        precision_name(cell, words),
        verdict_field(decision.verdict(cell.key), words),
        words("group_separator").join(decision.reasons(cell.key, words)) or MISSING,
        points_with_interval(accuracy, "drop"),
        percent_with_interval(accuracy, "agreement"),
        f"{accuracy.get('lost', MISSING)} / {accuracy.get('gained', MISSING)}",
        plain(accuracy.get("mcnemar_p"), 2),
        scientific((cell.facts.get("numerics") or {}).get("relative_error")),
    )


def cell_name(cell: Cell, words: Words) -> str:
    """A cell in running text: what it computes in, and on what."""
    return f"{precision_name(cell, words)} / {cell.backend}"
