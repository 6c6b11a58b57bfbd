"""The answer in sentences, the same on the page and in the terminal: what ships, where, how sure, beside what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from roundoff.report.sections.machine import machine_name
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name, waiting_words
from roundoff.report.words.numbers import percent, rounded_up, times
from roundoff.report.words.ratios import ratio_of
from roundoff.results.message import Words
from roundoff.results.values import bounds_of
from roundoff.results.verdict import Recommendation
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION

MANY_CHANGED = 0.01
"""A share of changed answers that is told of a rival, too."""


def lead(evidence: Evidence, words: Words) -> str:
    """What ships and at which batch sizes; first, where a faster cell is undecided, that it is."""
    choice, batch = Decision(evidence.verdict).shipped, evidence.main_batch
    cell = evidence.cell(choice.cell) if choice else None
    machine = machine_name(evidence.platform, words)
    if choice is None or cell is None or batch is None:
        return words("answer_none", machine=machine)
    values = {"cell": cell_name(cell, words), "machine": machine}
    values["sizes"] = sizes_words([batch, *_sizes_of_winners(evidence).get(cell.key, [])], words)
    if waiting := _waiting(choice, cell, batch, evidence, words):
        return words("answer_until", waiting=waiting, **values)
    return words("answer_ship", **values)


def _waiting(choice: Recommendation, shipped: Cell, batch: int, evidence: Evidence, words: Words) -> str:
    """The fastest undecided cell: how fast, how alike its answers, how many images decide; empty without one."""
    cells = [cell for name in choice.undecided if (cell := evidence.cell(name))]
    ratios = [(ratio_of(evidence, cell, shipped, batch) or 0.0, cell) for cell in cells]
    if not ratios:
        return ""
    ratio, cell = max(ratios, key=lambda pair: pair[0])
    needed = choice.undecided[cell.key]
    judged = words("waiting_images", count=rounded_up(needed)) if needed else _not_by_images(cell, evidence, words)
    values = {"cell": cell_name(cell, words), "ratio": f"{ratio:.1f}", "answers": answers_words(cell, words)}
    return words("answer_not_decided", **values, judged=judged)


def _not_by_images(cell: Cell, evidence: Evidence, words: Words) -> str:
    too_close = Decision(evidence.verdict).undecidable(cell.key)
    return words("waiting_too_close" if too_close else "waiting_budget")


def other_sizes(evidence: Evidence, words: Words) -> Iterator[str]:
    """What else ships at batch sizes that cells are not ranked at, a sentence for each cell."""
    shipped = Decision(evidence.verdict).shipped_name
    for name, batches in _sizes_of_winners(evidence).items():
        cell = evidence.cell(name)
        if cell is not None and name != shipped:
            values = {"cell": cell_name(cell, words), "sizes": sizes_words(batches, words)}
            yield words("answer_other_at", **values, speeds=_speeds(cell, batches, words))


def _sizes_of_winners(evidence: Evidence) -> dict[str, list[int]]:
    """By cell the batch sizes that it ships at, less the one that cells are ranked at."""
    sizes: dict[str, list[int]] = {}
    for size, choice in (evidence.verdict.batches if evidence.verdict else {}).items():
        if choice.cell and size != evidence.main_batch:
            sizes.setdefault(choice.cell, []).append(size)
    return sizes


def sizes_words(sizes: Sequence[int], words: Words) -> str:
    """One batch size or several, the last of them behind "and"."""
    *others, last = (f"{size:,}" for size in sorted(sizes))
    if not others:
        return words("size_one", batch=last)
    return words("size_several", batches=words("and_last", first=words.listed(others), last=last))


def _speeds(cell: Cell, batches: list[int], words: Words) -> str:
    """The speed-up over the backend's FP32 at each of the batch sizes, as far as there is one."""
    ratios = [cell.batches[size].end_to_end_speedup for size in batches]
    known = [
        times(ratio, None, words) for ratio in ratios if ratio is not None and cell.precision != REFERENCE_PRECISION
    ]
    return words("answer_other_speeds", ratios=words.listed(known)) if known else ""


def rivals(choice: Recommendation, evidence: Evidence, words: Words) -> Iterator[str]:
    """Cells that a reader may wonder about: as fast, faster but undecided, faster with a measurable loss, not timed."""
    if choice.tied:
        yield words("answer_tied", cells=words.listed(choice.tied))
    if len(choice.undecided) > 1:  # of one alone the lead tells
        yield waiting_words(choice, evidence, words)
    fastest = Decision(evidence.verdict).recommendations.get("fastest")
    faster = evidence.cell(fastest.cell) if fastest else None
    if fastest is not None and faster is not None and faster.key not in (choice.cell, *choice.tied):
        key = "answer_as_fast" if choice.cell in fastest.tied else "answer_faster"
        yield words(key, cell=cell_name(faster, words), drop=drop_words(faster, evidence, words))
        if changed_share(faster) >= MANY_CHANGED:
            yield flips_words(faster, words)
    if choice.not_timed:
        yield words("answer_not_timed", cells=words.listed(choice.not_timed), batch=evidence.main_batch)


def why_none(evidence: Evidence, words: Words) -> Iterator[str]:
    """What passes but was not timed, and what is undecided."""
    decision = Decision(evidence.verdict)
    choices = list(decision.recommendations.values())
    if not_timed := next((choice.not_timed for choice in choices if choice.not_timed), None):
        yield words("answer_not_timed", cells=words.listed(not_timed), batch=decision.batch_size)
    undecided = next((choice for choice in choices if choice.undecided and not choice.cell), None)
    if undecided:
        yield waiting_words(undecided, evidence, words)


def drop_words(cell: Cell, evidence: Evidence, words: Words) -> str:
    """What the interval of the paired drop allows one to say, and no more."""
    if cell.key == evidence.reference:
        return words("drop_reference")
    bounds = bounds_of(cell.accuracy, "drop")
    if bounds is None:
        return words("drop_unknown")
    low, high = (f"{100 * abs(bound):.2f}" for bound in bounds)
    if bounds[0] > 0:
        return words("drop_lost", low=low, high=high)
    return words("drop_none") if bounds[1] <= 0 else words("drop_open", high=high)


def changed_share(cell: Cell) -> float:
    """The share of test images that the cell answers otherwise than the reference; 0 where nothing is known."""
    agreement = cell.accuracy.agreement if cell.accuracy else None
    return 0.0 if agreement is None else 1 - agreement


def flips_words(cell: Cell, words: Words) -> str:
    """How many answers changed, and how many for the worse; empty for a cell that was compared with nothing."""
    found = cell.accuracy
    if found is None or found.agreement is None:
        return ""
    changed = round(found.samples * changed_share(cell))
    samples = f"{found.samples:,}"
    if not changed:
        return words("flips_none", samples=samples)
    counts = {
        "changed": f"{changed:,}",
        "regressed": f"{found.regressed or 0:,}",
        "corrected": f"{found.corrected or 0:,}",
    }
    return words("flips_told", samples=samples, share=percent(changed_share(cell), 1), **counts)


def answers_words(cell: Cell, words: Words) -> str:
    """How alike its answers are to the reference's, as a part of a sentence."""
    found = cell.accuracy
    if found is None or found.agreement is None:
        return words("answers_unknown")
    changed = round(found.samples * changed_share(cell))
    key = "answers_changed" if changed else "answers_same"
    return words(key, samples=f"{found.samples:,}", **({"changed": f"{changed:,}"} if changed else {}))
