"""What has to be known before any number is used: failures, chance level, types, throttling, warnings, gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from roundoff.measurement.accuracy import beats_chance, least_accuracy
from roundoff.report.sections.failures import failure_notes
from roundoff.report.sections.ranges import range_notes
from roundoff.report.sections.slices import slice_notes
from roundoff.report.sections.stopped import stopped_notes
from roundoff.report.words.compute_types import computes, is_8_bit, kinds_words
from roundoff.report.words.conditions import throttled_words
from roundoff.report.words.numbers import out_of, percent, percent_with_interval, scientific
from roundoff.results.message import Message, Words
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION

COUNTING = ("rounded_only", "layers_in_8_bits", "multiplying_layers")
"""Notes that only count layers by type, as the report does itself."""


def notes(evidence: Evidence, words: Words) -> Iterator[str]:
    """A sentence or two for each thing; the gravest first."""
    yield from grave_notes(evidence, words)
    for cell in evidence.measured:
        yield from _kinds(cell, words)
    yield from _without_graph(evidence, words)
    yield from _warned(evidence, words)
    yield from _no_fp32(evidence, words)
    yield from stopped_notes(evidence, words)


def grave_notes(evidence: Evidence, words: Words) -> Iterator[str]:
    """What makes figures wrong, or other than they would be elsewhere."""
    yield from failure_notes(evidence, words)
    for cell in evidence.measured:
        yield from _chance(cell, evidence, words)
        if cell.accuracy and cell.accuracy.nonfinite:
            counts = {"count": f"{cell.accuracy.nonfinite:,}", "samples": f"{cell.accuracy.samples:,}"}
            yield words("note_nonfinite", cell=cell.key, **counts)
    yield from slice_notes(evidence, words)
    yield from range_notes(evidence, words)
    yield from throttled_words(evidence, words)


def _chance(cell: Cell, evidence: Evidence, words: Words) -> Iterator[str]:
    """By the verdict's own criterion. Only a reference that is at chance itself says that the model is to blame."""
    least = least_accuracy(evidence.chance, evidence.chance_margin)
    if cell.accuracy is None or cell.accuracy.top1_high > least:
        return
    top1 = percent_with_interval(cell.accuracy, "top1")
    values = {"cell": cell.key, "found": top1, "least": percent(least), "chance": percent(evidence.chance)}
    reference = evidence.cell(evidence.reference)
    if reference is None or not reference.accuracy:
        yield words("note_chance_alone", **values)
    elif _beats_chance(reference, evidence):
        top1 = percent_with_interval(reference.accuracy, "top1")
        yield words("note_chance_lost", **values, reference=reference.key, top1=top1)
    else:
        yield words("note_chance", **values)


def _beats_chance(cell: Cell, evidence: Evidence) -> bool:
    """True also for a cell whose accuracy is not known."""
    accuracy = cell.accuracy
    return accuracy is None or beats_chance(accuracy.top1_low, evidence.chance, evidence.chance_margin)


def _kinds(cell: Cell, words: Words) -> Iterator[str]:
    """What the cell computes in where that is not what its name says, and what its build says of that."""
    if cell.effective_precision != cell.precision:
        values = {"precision": cell.precision, "effective": cell.effective_precision}
        yield words("note_relabelled", cell=cell.key, error=scientific(cell.relative_error), **values)
    sentences = list(_layers(cell, words))
    said = [note for note in cell.metrics.notes if not (sentences and note.code in COUNTING)]
    if said:
        key = "note_build" if sentences else "note_cell"
        sentences.append(words(key, cell=cell.key, text=words.sentences(said)))
    if sentences:
        yield words("sentence_separator").join(sentences)


def _layers(cell: Cell, words: Words) -> Iterator[str]:
    computed = computes(cell)
    if computed.others:
        key = "note_rest" if computed.share_named else "note_multiplies"
        values = {
            "named": computed.named,
            "total": computed.total,
            "count": computed.total - sum(computed.others.values()),
        }
        yield words(key, cell=cell.key, kinds=kinds_words(computed.others, words, computed.total), **values)
    numerics = cell.metrics.numerics
    if is_8_bit(cell) and numerics and numerics.conversions is not None:
        instructions = words.listed(numerics.cpu_instructions or [words("unknown")])
        yield words("note_conversions", cell=cell.key, count=numerics.conversions, instructions=instructions)


def _without_graph(evidence: Evidence, words: Words) -> Iterator[str]:
    """Batches whose backend could have captured a CUDA graph and did not, by reason."""
    groups: dict[Message, list[str]] = {}
    for cell, batch, timing in evidence.timed_batches:
        if reason := timing.binding_info.no_cuda_graph_reason:
            groups.setdefault(reason, []).append(words("cell_batch", cell=cell.key, batch=batch))
    for why, names in groups.items():
        yield words("note_no_graph", cells=words.listed(names), reason=why)


def _warned(evidence: Evidence, words: Words) -> Iterator[str]:
    warned = [timing for timing in evidence.timings if timing.warnings]
    if warned:
        counts = Counter(warning.code for timing in warned for warning in timing.warnings)
        kinds = [words("warned_kind", kind=_warned_kind(code, words), count=count) for code, count in counts.items()]
        count = out_of(len(warned), len(evidence.timings), words)
        yield words("note_warned", warned=count, kinds=words.listed(kinds))


def _warned_kind(code: str, words: Words) -> str:
    return words(f"warned_{code}") if words.known(f"warned_{code}") else code


def _no_fp32(evidence: Evidence, words: Words) -> Iterator[str]:
    for backend in dict.fromkeys(cell.backend for cell in evidence.measured):
        wide = evidence.cell(f"{REFERENCE_PRECISION}/{backend}")
        if wide is None or not wide.measured:
            yield words("note_fp32_missing", backend=backend)
        elif failed := wide.metrics.failed_batches:
            sizes = words.listed(map(str, failed))
            yield words("note_fp32_failed", backend=backend, batches=sizes)
