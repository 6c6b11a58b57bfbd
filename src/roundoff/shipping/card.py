"""The model card: what is shipped, how it is fed, what was measured, and what nobody may conclude from it."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.render.document import Block, Bullets, Heading, Paragraph, Table, row
from roundoff.report.render.markdown import markdown_from_blocks
from roundoff.report.sections.machine import machine_name
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import amount_with_interval, percent_with_interval, plain, points_with_interval
from roundoff.results.message import Words
from roundoff.revisions.revision import Snapshot
from roundoff.shipping.project import Chosen
from roundoff.shipping.triton import Repository


def card(snapshot: Snapshot, cell: Chosen, served: Repository | None, words: Words) -> str:
    """The card as Markdown. The same run gives the same text: it has no date."""
    blocks = [
        Heading(1, words("card_title", cell=cell.name), "card"),
        *_opening(snapshot, cell, words),
        *_feeding(cell, served, words),
        *_measured(snapshot, cell, words),
        *_limits(cell, words),
        *_made(cell, words),
    ]
    return markdown_from_blocks(blocks, "")


def _opening(snapshot: Snapshot, cell: Chosen, words: Words) -> Iterator[Block]:
    precision, _, backend = cell.name.partition("/")
    machine = machine_name(snapshot.metrics.platform, words)
    yield Paragraph(words("card_opening", precision=precision, backend=backend, machine=machine))
    outcome = Decision(snapshot.verdict).verdict(cell.name)
    yield Paragraph(words(f"card_verdict_{outcome or 'none'}", target=Decision(snapshot.verdict).target(words)))
    yield Bullets(tuple(Decision(snapshot.verdict).reasons(cell.name, words)))


def _feeding(cell: Chosen, served: Repository | None, words: Words) -> Iterator[Block]:
    height, width, channels = cell.manifest.shape
    yield Heading(2, words("card_feeding"), "feeding")
    yield Paragraph(words("card_input", height=height, width=width, channels=channels))
    yield Paragraph(words("card_output", classes=len(cell.manifest.names)))
    if served:
        yield Paragraph(words("card_triton", model=served.name))


def _measured(snapshot: Snapshot, cell: Chosen, words: Words) -> Iterator[Block]:
    found = cell.metrics
    yield Heading(2, words("card_measured"), "measured")
    figures = [
        (words("card_top1"), percent_with_interval(found.accuracy, "top1")),
        (words("card_agreement"), percent_with_interval(found.accuracy, "agreement")),
        (words("card_drop"), points_with_interval(found.accuracy, "drop")),
        (words("card_size"), f"{plain(found.size_mb)} MB"),
    ]
    for size, batch in found.timed_batches.items():
        figures.append((words("card_latency", batch=size), amount_with_interval(batch, "end_to_end_p50", "ms")))
        figures.append((words("card_throughput", batch=size), plain(batch.throughput_per_s)))
    samples = f"{found.accuracy.samples:,}" if found.accuracy else "0"
    caption = words("card_caption", samples=samples, reference=snapshot.metrics.reference or "–")
    columns = (words("col_item"), words("col_value"))
    yield Table(caption, columns, tuple(row(*each) for each in figures), labels=1)


def _limits(cell: Chosen, words: Words) -> Iterator[Block]:
    yield Heading(2, words("card_limits"), "limits")
    built_for = cell.sidecar.fingerprint.id or "–"
    yield Bullets((words("card_limit_images"), words("card_limit_machine", id=built_for), words("card_limit_seal")))


def _made(cell: Chosen, words: Words) -> Iterator[Block]:
    yield Heading(2, words("card_made"), "made")
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(cell.sidecar.fingerprint.libraries.items()))
    items = [
        words("card_images", dataset=cell.manifest.dataset or "–", count=f"{cell.manifest.counts.train or 0:,}"),
        words("card_libraries", libraries=libraries),
    ]
    if cell.is_calibrated:
        items.append(words("card_table"))
    yield Bullets(tuple(items))
