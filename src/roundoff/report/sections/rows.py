"""Rows and fields that several tables share, and tables without the columns that hold nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from roundoff.report.render.document import Block, Details, Field, Paragraph, Table, row
from roundoff.report.words.decision import TONES, Decision
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import MISSING
from roundoff.report.words.reasons import plain_reason, raw_words
from roundoff.results.cell import Batch, CellMetrics
from roundoff.results.message import Message, Words
from roundoff.results.values import Outcome
from roundoff.revisions.read import Cell, Evidence


def folded(table: Table, words: Words, said: bool = True) -> Iterator[Block]:
    """The table without the columns that hold nothing, and, where it is `said`, a sentence that names those."""
    nothing = {MISSING, "", words("unknown"), words("not_run")}
    empty = [index for index in range(1, len(table.columns)) if _is_empty(table, index, nothing)]
    kept = [index for index in range(len(table.columns)) if index not in empty]
    if len(kept) > 1 and table.rows:
        yield replace(
            table,
            columns=tuple(table.columns[index] for index in kept),
            rows=tuple(_without(fields, set(empty)) for fields in table.rows),
            labels=sum(1 for index in kept if index < table.labels),
        )
    if said and (empty or not table.rows):
        names = words.listed(table.columns[index] for index in empty) if table.rows else table.caption
        yield Paragraph(words("nothing_in", names=names), "note")


def _is_empty(table: Table, index: int, nothing: set[str]) -> bool:
    """Whether no row has anything there; a field that spans several columns is no figure of one of them."""
    held = [field for fields in table.rows for place, field in _placed(fields) if place == index and field.span == 1]
    return bool(held) and all(field.text in nothing for field in held)


def _placed(fields: tuple[Field, ...]) -> Iterator[tuple[int, Field]]:
    place = 0
    for field in fields:
        yield place, field
        place += field.span


def _without(fields: tuple[Field, ...], empty: set[int]) -> tuple[Field, ...]:
    spans = [(field, len(set(range(place, place + field.span)) - empty)) for place, field in _placed(fields)]
    return tuple(replace(field, span=span) for field, span in spans if span)


def marked_rows(cells: Iterable[Cell], shipped: str | None) -> frozenset[int]:
    """The number of the row of the cell that ships, of a table that begins with a row for each cell."""
    return frozenset(number for number, cell in enumerate(cells) if cell.key == shipped)


def row_name(cell: Cell, shipped: str | None, words: Words) -> str:
    """The cell's name, with a star where it ships."""
    name = cell_name(cell, words)
    return words("ships_here", cell=name) if cell.key == shipped else name


def absent_groups(evidence: Evidence) -> dict[tuple[str, Message | None], list[str]]:
    """Precisions that cannot run here, by backend and reason."""
    groups: dict[tuple[str, Message | None], list[str]] = {}
    for cell in evidence.cells:
        if not cell.measured and not cell.failed:
            groups.setdefault((cell.backend, cell.metrics.reason), []).append(cell.precision)
    return groups


def absent_words(evidence: Evidence, words: Words) -> Iterator[str]:
    """A sentence for each backend and reason: what was not run here, and why."""
    for (backend, why), names in absent_groups(evidence).items():
        group = words("absent_group", backend=backend, precisions=words.listed(names))
        yield words("answer_unavailable", cells=group, why=plain_reason(why, words))


def absent_rows(evidence: Evidence, words: Words, span: int) -> tuple[tuple[Field, ...], ...]:
    """A row for each backend and reason: the precisions that were not run, and why, over `span` columns."""
    return tuple(
        row(f"{words.listed(names)} / {backend}", _unavailable(reason, words, span))
        for (backend, reason), names in absent_groups(evidence).items()
    )


def _unavailable(reason: Message | None, words: Words, span: int) -> Field:
    return Field(words("unavailable", reason=plain_reason(reason, words)), "muted", span)


def failed_rows(evidence: Evidence, words: Words, span: int) -> tuple[tuple[Field, ...], ...]:
    """A row for each cell that should work and does not: its verdict, and why, over `span` columns."""
    decision = Decision(evidence.verdict)
    return tuple(
        row(
            cell_name(cell, words),
            verdict_field(decision.verdict(cell.key), words),
            reason_field(cell.metrics, words, span),
        )
        for cell in evidence.cells
        if cell.failed
    )


def reason_field(told: CellMetrics | Batch, words: Words, span: int) -> Field:
    """Why a cell or one of its batch sizes has no figures."""
    if told.status != "failed":
        return _unavailable(told.reason, words, span)
    return Field(words("failed_because", reason=plain_reason(told.reason, words)), "bad", span)


def verdict_field(verdict: Outcome | None, words: Words) -> Field:
    """The verdict as a coloured word."""
    if verdict is None:
        return Field(MISSING)
    return Field(words(f"verdict_{verdict}"), TONES[verdict])


def runtime_details(evidence: Evidence, words: Words) -> Iterator[Details]:
    """What the runtimes said of all that did not run, folded away."""
    rows = tuple(row(names, Field(text, "muted")) for names, text in raw_words(evidence))
    if rows:
        caption = words("raw_caption")
        yield Details(caption, (Table(caption, (words("col_cell"), words("col_words")), rows, labels=2),))
