"""The tables that come first: precisions, frameworks, size, load time."""

from __future__ import annotations

from collections.abc import Iterable

from roundoff.report.render.document import Field, Heading, Page, Paragraph, Table, row
from roundoff.report.words.compute_types import computes
from roundoff.report.words.decision import TONES, Decision
from roundoff.report.words.numbers import MISSING, percent, percent_with_interval, plain, times_with_interval
from roundoff.results.cell import Batch, CellMetrics
from roundoff.results.message import Message, Words
from roundoff.results.values import Outcome
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION


def precision_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Every cell with time, throughput, accuracy, size, load time and its ratio to FP32; a table a batch size."""
    page.add(Heading(2, words("precision_heading"), "precision"), Paragraph(words("precision_intro")))
    for batch in evidence.batch_sizes:
        page.add(_precision_table(evidence, batch, words))
    if not evidence.platform.gpus:
        page.add(Paragraph(words("cpu_note"), "note"))


def _precision_table(evidence: Evidence, batch: int, words: Words) -> Table:
    names = (
        "backend",
        "precision",
        "verdict",
        "device",
        "end_to_end",
        "throughput",
        "accuracy",
        "size",
        "load",
        "speedup",
    )
    decision = Decision(evidence.verdict)
    rows = tuple(_precision_row(cell, batch, decision, words) for cell in evidence.measured)
    absent = absent_rows(evidence, words, span=8)
    columns = tuple(words(f"col_{name}") for name in names)
    failed = failed_rows(evidence, words, span=7)
    return Table(words("precision_caption", batch=batch), columns, rows + failed + absent, labels=3)


def _precision_row(cell: Cell, batch: int, decision: Decision, words: Words) -> tuple[Field, ...]:
    timing, name = cell.batches.get(batch), precision_name(cell, words)
    verdict = verdict_field(decision.verdict(cell.key), words)
    if timing and timing.reason:
        return row(cell.backend, name, verdict, reason_field(timing, words, span=7))
    return row(
        cell.backend,
        name,
        verdict,
        plain(timing.device_p50_ms if timing else None),
        plain(timing.end_to_end_p50_ms if timing else None),
        plain(timing.throughput_per_s if timing else None),
        percent_with_interval(cell.accuracy, "top1"),
        plain(cell.metrics.size_mb),
        plain(cell.metrics.load_ms),
        _ratio_field(cell, batch, decision, words),
    )


def _ratio_field(cell: Cell, batch: int, decision: Decision, words: Words) -> Field:
    if cell.precision == REFERENCE_PRECISION:
        return Field(words("base") if _timed(cell, batch) else MISSING)
    ratio = times_with_interval(cell.batches.get(batch), "speedup")
    if decision.same_speed(cell.key, batch):
        return Field(words("same_speed", ratio=ratio), "muted")
    return Field(ratio)


def _timed(cell: Cell, batch: int) -> Batch | None:
    """The batch size's figures; None where it was not timed."""
    timing = cell.batches.get(batch)
    return timing if timing and timing.device_p50_ms is not None else None


def framework_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Precisions down, backends across, one table a batch size."""
    page.add(Heading(2, words("framework_heading"), "frameworks"), Paragraph(words("framework_intro")))
    backends, precisions = _names(evidence.cells)
    for batch in evidence.batch_sizes:
        rows = tuple(
            row(name, *(_framework_text(evidence.cell(f"{name}/{backend}"), batch, words) for backend in backends))
            for name in precisions
        )
        caption = words("framework_caption", batch=batch)
        page.add(Table(caption, (words("col_precision"), *backends), rows))


def _framework_text(cell: Cell | None, batch: int, words: Words) -> Field:
    if cell is None:
        return Field(MISSING)
    if cell.failed or batch in cell.metrics.failed_batches:
        return Field(words("failed"), "bad")
    timing = _timed(cell, batch)
    if timing is None:
        return Field(words("not_timed" if cell.measured else "not_run"), "muted")
    time, throughput = plain(timing.device_p50_ms), plain(timing.throughput_per_s)
    return Field(words("framework_cell", time=time, throughput=throughput))


def size_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Size of every artifact that was built, run or not, with its share of the same backend's FP32."""
    backends, precisions = _names(evidence.cells)
    rows = tuple(
        row(name, *(_size_text(evidence, name, backend, words) for backend in backends)) for name in precisions
    )
    page.add(
        Heading(2, words("size_heading"), "size"),
        Table(words("size_caption"), (words("col_precision"), *backends), rows),
    )


def _size_text(evidence: Evidence, precision: str, backend: str, words: Words) -> str:
    cell, wide = evidence.cell(f"{precision}/{backend}"), evidence.cell(f"{REFERENCE_PRECISION}/{backend}")
    size = cell.metrics.size_mb if cell else None
    whole = wide.metrics.size_mb if wide else None
    if size is None or not whole:
        return plain(size)
    return words("size_cell", size=plain(size), share=percent(size / whole, 0))


def load_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Load and build time of every cell."""
    columns = tuple(words(f"col_{name}") for name in ("backend", "precision", "load", "build"))
    rows = tuple(
        row(cell.backend, precision_name(cell, words), plain(cell.metrics.load_ms), plain(cell.build_s))
        for cell in evidence.cells
        if cell.measured or cell.build_s is not None
    )
    page.add(Heading(2, words("load_heading"), "load"), Paragraph(words("load_intro")))
    page.add(Table(words("load_caption"), columns, rows, labels=2))


def precision_name(cell: Cell, words: Words) -> str:
    """The precision asked for, and what is computed in besides it or instead."""
    if cell.effective_precision != cell.precision:
        return words("computes_as", precision=cell.precision, effective=cell.effective_precision)
    computed = computes(cell)
    if not computed.others:
        return cell.precision
    key = "rest_in" if computed.share_named else "multiplies_in"
    return words(key, precision=cell.precision, kinds=words.listed(computed.others))


def absent_groups(evidence: Evidence) -> dict[tuple[str, Message | None], list[str]]:
    """Precisions that cannot run here, by backend and reason."""
    groups: dict[tuple[str, Message | None], list[str]] = {}
    for cell in evidence.cells:
        if not cell.measured and not cell.failed:
            groups.setdefault((cell.backend, cell.metrics.reason), []).append(cell.precision)
    return groups


def absent_rows(evidence: Evidence, words: Words, span: int) -> tuple[tuple[Field, ...], ...]:
    """A row for each backend and reason: the precisions that were not run, and why, over `span` columns."""
    return tuple(
        row(backend, words.listed(names), Field(words("unavailable", reason=reason or MISSING), "muted", span))
        for (backend, reason), names in absent_groups(evidence).items()
    )


def failed_rows(evidence: Evidence, words: Words, span: int) -> tuple[tuple[Field, ...], ...]:
    """A row for each cell that should work and does not: its verdict, and why, over `span` columns."""
    decision = Decision(evidence.verdict)
    return tuple(
        row(
            cell.backend,
            precision_name(cell, words),
            verdict_field(decision.verdict(cell.key), words),
            reason_field(cell.metrics, words, span),
        )
        for cell in evidence.cells
        if cell.failed
    )


def reason_field(told: CellMetrics | Batch, words: Words, span: int) -> Field:
    """Why a cell or one of its batch sizes has no figures."""
    failed = told.status == "failed"
    key = "failed_because" if failed else "unavailable"
    return Field(words(key, reason=told.reason or MISSING), "bad" if failed else "muted", span)


def verdict_field(verdict: Outcome | None, words: Words) -> Field:
    """The verdict as a coloured word."""
    if verdict is None:
        return Field(MISSING)
    return Field(words(f"verdict_{verdict}"), TONES[verdict])


def _names(cells: Iterable[Cell]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Backends and precisions, each once, in the order of the cells."""
    backends = dict.fromkeys(cell.backend for cell in cells)
    precisions = dict.fromkeys(cell.precision for cell in cells)
    return tuple(backends), tuple(precisions)
