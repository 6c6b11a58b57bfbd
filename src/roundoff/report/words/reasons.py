"""Why something has no figures: in plain words for a table, and in the runtimes' own for who wants to know more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import shorten

from roundoff.report.words.numbers import MISSING
from roundoff.results.cell import Batch, CellMetrics
from roundoff.results.message import VERBATIM, Message, Words
from roundoff.revisions.read import Cell, Evidence

RAW = "words"  # the value of a message that holds what a runtime said
MOST = 1000  # characters that are shown of a runtime's own words; the metrics have them all
LONG = 60  # characters of a foreign sentence from which its first clause is enough
VERSION = re.compile(r"\d\.\d")
EMPTIED = re.compile(r"\s*[(（]\s*[)）]|\s*[:：]\s*(?=$|[;；,、。])|^\s*[:：]\s*")
"""What is left around words that were taken out."""


def plain_reason(reason: Message | None, words: Words) -> str:
    """The reason without what the runtimes said; the whole of it where nothing else would be left."""
    if reason is None:
        return MISSING
    if reason.code == VERBATIM:
        text = words.sentence(reason)
        return _first_clauses(text) if len(text) > LONG else text
    if not _raw(reason):
        return words.sentence(reason)
    values = {
        name: plain_reason(value, words) if isinstance(value, Message) else value
        for name, value in reason.values.items()
    }
    left = EMPTIED.sub("", words.sentence(Message(reason.code, {**values, RAW: ""}))).strip()
    return left or words.sentence(reason)


def _first_clauses(text: str) -> str:
    """The beginning of foreign words up to a colon; what only names a library and its version goes on to the next."""
    first, _, rest = text.partition(": ")
    said = f"{first}: {rest.partition(': ')[0]}" if VERSION.search(first) else first
    return shorten(said, 2 * LONG, placeholder="…")


def raw_words(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """What the runtimes said: the cells and batch sizes, and their words; each text once."""
    said: dict[str, list[str]] = {}
    for cell in evidence.cells:
        for name, text in _of_cell(cell):
            said.setdefault(text, []).append(name)
    for text, names in said.items():
        yield ", ".join(dict.fromkeys(names)), text


def _of_cell(cell: Cell) -> Iterator[tuple[str, str]]:
    every: list[CellMetrics | Batch] = [cell.metrics, *cell.batches.values()]
    for told in every:
        texts = [*_raw(told.reason), *([told.detail] if told.detail else [])]
        yield from ((cell.key, shorten(text, MOST, placeholder="…")) for text in texts)


def _raw(reason: Message | None) -> list[str]:
    if reason is None:
        return []
    if reason.code == VERBATIM:
        text = str(reason)
        return [text] if len(text) > LONG else []
    own = [str(reason.values[RAW])] if reason.values.get(RAW) else []
    return own + [text for value in reason.values.values() if isinstance(value, Message) for text in _raw(value)]
