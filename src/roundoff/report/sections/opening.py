"""The first screen: what ships, how much faster, at what loss, on what; one plot; then what to ship for which use."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.plots.drop import allowed_points, drop_figure, drop_marks
from roundoff.report.render.document import Beside, Block, Drawing, Fact, Facts, Figure, Page, Paragraph
from roundoff.report.sections.batches import costs
from roundoff.report.sections.frameworks import size_words
from roundoff.report.sections.machine import machine_name
from roundoff.report.words.answer import drop_words, flips_words, lead, other_sizes, rivals, why_none
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import amount_with_interval, percent, percent_with_interval, plain, points
from roundoff.report.words.ratios import ratio_of
from roundoff.report.words.subject import data_name, graph_hash, model_name, origin_words
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION


def opening(page: Page, evidence: Evidence, price_per_hour: float | None, words: Words) -> None:
    """The answer with its facts on the left, the plot on the right."""
    decision = Decision(evidence.verdict)
    cell = evidence.cell(decision.shipped_name)
    text = lead(evidence, words) if evidence.verdict else words("verdict_missing")
    told = tuple(_told(evidence, words))
    facts = (*(_of_cell(cell, evidence, price_per_hour, words) if cell else ()), *_of_run(evidence, words))
    left: tuple[Block, ...] = (Paragraph(text, "lead"), Facts(tuple(facts)))
    support = (Paragraph(words("sentence_separator").join(told)),) if told else ()
    page.add(Beside(left, (*_plot(page, evidence, words), *support)))


def _told(evidence: Evidence, words: Words) -> Iterator[str]:
    """What ships at other batch sizes, and what stands beside the cell that ships, or why none does."""
    choice = Decision(evidence.verdict).shipped
    yield from other_sizes(evidence, words)
    if evidence.verdict:
        yield from rivals(choice, evidence, words) if choice else why_none(evidence, words)


def _of_cell(cell: Cell, evidence: Evidence, price_per_hour: float | None, words: Words) -> Iterator[Fact]:
    """Speed, accuracy, size and cost of the cell that ships."""
    batch = evidence.main_batch
    timing = cell.batches.get(batch) if batch else None
    if timing is not None and timing.end_to_end_p50_ms is not None and batch is not None:
        time = amount_with_interval(timing, "end_to_end_p50", "ms")
        ratios = _speed(cell, batch, evidence, words)
        if ratios:
            note = words("group_separator").join((*ratios[1:], words("fact_speed_note", time=time, batch=batch)))
            yield Fact(words("fact_speed"), ratios[0], note)
        else:
            yield Fact(words("fact_speed"), time, words("fact_speed_plain", batch=batch))
    if cell.accuracy:
        top1, samples = percent_with_interval(cell.accuracy, "top1"), f"{cell.accuracy.samples:,}"
        parts = [words("answer_accuracy", top1=top1, samples=samples, drop=drop_words(cell, evidence, words))]
        parts += filter(None, [flips_words(cell, words)])
        yield Fact(words("fact_accuracy"), _loss(cell, evidence, words), words("sentence_separator").join(parts))
    if cell.metrics.size_mb is not None:
        note = words("fact_size_note", backend=cell.backend)
        yield Fact(words("col_size"), size_words(cell, evidence, words), note)
    for cost in costs(evidence, price_per_hour) if price_per_hour else ():
        if cost.cell is cell:
            note = words("fact_cost_note", price=f"{price_per_hour:g}", batch=f"{cost.batch_size:,}")
            yield Fact(words("col_cost"), plain(cost.price), note)


def _speed(cell: Cell, batch: int, evidence: Evidence, words: Words) -> list[str]:
    """How many times as fast as its backend's FP32 and as the reference it is; nothing where it is these."""
    timing, reference = cell.batches[batch], evidence.cell(evidence.reference)
    found = []
    if cell.precision != REFERENCE_PRECISION and timing.end_to_end_speedup is not None:
        found.append(words("fact_faster", ratio=f"{timing.end_to_end_speedup:.2f}", backend=cell.backend))
        found += _at_other_sizes(cell, batch, evidence, words)
    if reference and reference is not cell and reference.backend != cell.backend:
        ratio = ratio_of(evidence, cell, reference, batch)
        found += [words("fact_faster", ratio=f"{ratio:.2f}", backend=reference.backend)] if ratio else []
    return found


def _at_other_sizes(cell: Cell, batch: int, evidence: Evidence, words: Words) -> Iterator[str]:
    """The same at the other batch sizes that the cell ships at."""
    decision = Decision(evidence.verdict)
    for size, timing in cell.batches.items():
        if size != batch and decision.shipped_at(size) == cell.key and timing.end_to_end_speedup is not None:
            yield words("fact_speed_other", ratio=f"{timing.end_to_end_speedup:.2f}", batch=f"{size:,}")


def _loss(cell: Cell, evidence: Evidence, words: Words) -> str:
    """The paired drop in points; the accuracy itself of the reference."""
    drop = cell.accuracy.drop if cell.accuracy else None
    if cell.key == evidence.reference or drop is None:
        return percent(cell.accuracy.top1 if cell.accuracy else None)
    return words("fact_points", points=points(-drop), reference=evidence.reference)


def _of_run(evidence: Evidence, words: Words) -> Iterator[Fact]:
    """Model, data, machine, target and day, as far as the run's files tell."""
    graph, manifest = graph_hash(evidence), evidence.manifest
    name, source = model_name(evidence), data_name(evidence, words)
    if name or graph:
        yield Fact(words("fact_model"), name or words("fact_graph"), words("answer_model", hash=graph) if graph else "")
    if source and manifest.counts.train is not None:
        counts = {"train": f"{manifest.counts.train:,}", "classes": len(evidence.classes)}
        yield Fact(words("fact_data"), source, words("answer_data", **counts, test=f"{len(evidence.labels):,}"))
    machine = machine_name(evidence.platform, words)
    yield Fact(words("machine_heading"), machine, words("answer_holds", id=evidence.platform.id))
    target = Decision(evidence.verdict).target(words)
    if target:
        yield Fact(words("fact_target"), target)
    if origin := list(origin_words(evidence, words)):
        version = evidence.metrics.method.origin.roundoff
        yield Fact(words("fact_measured"), words.listed(origin), f"roundoff {version}" if version else "")


def _plot(page: Page, evidence: Evidence, words: Words) -> tuple[Figure, ...]:
    batch = evidence.main_batch
    return () if batch is None else page.drawn(*drop_plot(evidence, batch, "drop", words))


def drop_plot(evidence: Evidence, batch: int, name: str, words: Words) -> tuple[Drawing | None, Figure]:
    """Accuracy lost against time at a batch size, with the result in words."""
    shipped = Decision(evidence.verdict).shipped_at(batch)
    marks = [
        words("drop_mark", cell=cell_name(mark.cell, words), time=plain(mark.ms), lost=f"{mark.points:.2f}")
        for mark in drop_marks(evidence, batch)
    ]
    allowed, cell = allowed_points(evidence), evidence.cell(shipped)
    told = {
        "batch": f"{batch:,}",
        "ships": cell_name(cell, words) if cell else words("none"),
        "target": words("drop_target", points=f"{allowed:.2f}") if allowed is not None else words("none"),
        "marks": words("group_separator").join(marks),
    }
    figure = Figure(name, words("drop_alt", **told), words("drop_caption", batch=f"{batch:,}"))
    return drop_figure(evidence, batch, shipped, words), figure
