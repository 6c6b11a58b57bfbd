"""Cells and batch sizes that should work and do not: their names, and a note on each."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.words.reasons import plain_reason
from roundoff.results.cell import Batch, CellMetrics
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence


def failed_names(evidence: Evidence, words: Words) -> list[str]:
    """Each failed cell, and each failed batch size of the others."""
    return [name for name, _ in _failed(evidence, words)]


def failure_notes(evidence: Evidence, words: Words) -> Iterator[str]:
    """What failed, why in plain words, and the command that tries again."""
    for name, failed in _failed(evidence, words):
        sentences = [words("note_failed", cell=name, reason=plain_reason(failed.reason, words))]
        if failed.rerun:
            sentences.append(words("note_failed_again", command=failed.rerun))
        yield words("sentence_separator").join(sentences)


def _failed(evidence: Evidence, words: Words) -> Iterator[tuple[str, CellMetrics | Batch]]:
    for cell in evidence.cells:
        if cell.failed:
            yield cell.key, cell.metrics
        for batch, timing in cell.metrics.failed_batches.items():
            yield words("cell_batch", cell=cell.key, batch=batch), timing
