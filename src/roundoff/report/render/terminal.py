"""The answer in a terminal, the last thing that a run says: in colour there, plain elsewhere, and with NO_COLOR set."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roundoff.report.sections.notes import grave_notes
from roundoff.report.sections.rows import absent_groups
from roundoff.report.words.answer import drop_words, flips_words, lead, other_sizes, rivals, why_none
from roundoff.report.words.decision import Decision
from roundoff.report.words.next_steps import next_steps
from roundoff.report.words.noise import cut_short
from roundoff.report.words.numbers import MISSING, out_of, percent, times
from roundoff.report.words.reasons import plain_reason
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION

USUAL = Path("metrics")  # where `roundoff report` looks
PLAIN_WIDTH = 100  # a file or a pipe has none of its own
STYLES = {"pass": "green", "fail": "bold red", "undecided": "yellow"}
MOST_WARNINGS, MOST_SIZES, LONGEST_REASON = 4, 4, 120


def tell(evidence: Evidence, words: Words, page: Path) -> None:
    """Print what ships, a line for each cell that was measured, what to beware of, where the page is, and what next."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, soft_wrap=True)
    decision = Decision(evidence.verdict)
    console.print()
    console.print(Text(lead(evidence, words), style="bold"))
    for sentence in _more(evidence, words):
        console.print(Text(sentence))
    console.print()
    console.print(_table(evidence, decision, words))
    for group in _absent(evidence, words):
        console.print(Text(group, style="dim"))
    for warning in _warnings(evidence, words):
        console.print(Text.assemble((words("tell_warning"), "yellow"), warning))
    command = "roundoff report" + (f" --metrics {page.parent}" if page.parent != USUAL else "")
    console.print(Text(words("tell_page", page=str(page), command=command)))
    for step in next_steps(evidence, words):
        console.print(Text(words("tell_next", step=step)))


def _more(evidence: Evidence, words: Words) -> Iterator[str]:
    """What ships at other batch sizes, how many answers changed, and what stands beside the cell that ships."""
    choice = Decision(evidence.verdict).shipped
    cell = evidence.cell(choice.cell) if choice else None
    yield from other_sizes(evidence, words)
    if cell is not None and cell.key != evidence.reference:
        yield words("tell_answers", drop=drop_words(cell, evidence, words), flips=flips_words(cell, words))
    yield from rivals(choice, evidence, words) if choice else why_none(evidence, words)


def _table(evidence: Evidence, decision: Decision, words: Words) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(words("col_cell"), no_wrap=True)
    table.add_column(words("col_verdict"), no_wrap=True)
    for size in _shown_sizes(evidence):
        table.add_column(words("tell_speedup", batch=size), justify="right", no_wrap=True)
    table.add_column(words("col_accuracy"), justify="right", no_wrap=True)
    shipped = decision.shipped
    for cell in evidence.measured:
        verdict = decision.verdict(cell.key)
        named = Text(words(f"verdict_{verdict}") if verdict else MISSING, style=STYLES.get(verdict or "", ""))
        speeds = [_speed(cell, size, decision, words) for size in _shown_sizes(evidence)]
        top1 = percent(cell.accuracy.top1) if cell.accuracy else MISSING
        is_shipped = shipped is not None and shipped.cell == cell.key
        table.add_row(cell.key, named, *speeds, top1, style="bold" if is_shipped else "")
    return table


def _shown_sizes(evidence: Evidence) -> list[int]:
    """The batch sizes, or of many the smallest, the one that cells are ranked at and the largest."""
    sizes = list(evidence.batch_sizes)
    return sizes if len(sizes) <= MOST_SIZES else sorted({sizes[0], evidence.main_batch or sizes[0], sizes[-1]})


def _speed(cell: Cell, size: int, decision: Decision, words: Words) -> str:
    batch = cell.batches.get(size)
    if batch is None or batch.device_p50_ms is None:
        return MISSING
    if cell.precision == REFERENCE_PRECISION:
        return words("times", value="1")
    if batch.speedup is None:
        return MISSING
    ratio = times(batch.speedup, None, words)
    return words("same_speed", ratio=ratio) if decision.same_speed(cell.key, size) else ratio


def _absent(evidence: Evidence, words: Words) -> Iterator[str]:
    for (backend, why), names in absent_groups(evidence).items():
        group = words("absent_group", backend=backend, precisions=words.listed(names))
        reason = shorten(plain_reason(why, words), LONGEST_REASON, placeholder="…")
        yield words("tell_absent", cells=group, why=reason)


def _warnings(evidence: Evidence, words: Words) -> Iterator[str]:
    """Those that make figures wrong, the first few, then those that make them less sure."""
    warnings = list(grave_notes(evidence, words))
    if cut := cut_short(evidence, words):
        warnings.append(words("tell_narrow", cut=out_of(len(cut), len(evidence.timings), words)))
    yield from warnings[:MOST_WARNINGS]
    if len(warnings) > MOST_WARNINGS:
        yield words("tell_more_warnings", count=len(warnings) - MOST_WARNINGS)
