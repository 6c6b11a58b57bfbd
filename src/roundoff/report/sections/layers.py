"""Time per layer: what a run of each cell consists of, why it is not faster, and the slowest layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from roundoff.profiling.parts import PARTS, Breakdown, breakdown, roof_ms
from roundoff.report.plots.layers import layers_figure
from roundoff.report.render.document import Bullets, Details, Field, Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.rows import folded
from roundoff.report.words.compute_types import is_8_bit
from roundoff.report.words.numbers import percent, plain
from roundoff.report.words.slowness import short_layer, why_words
from roundoff.results.layers import LayerRow, Roofline
from roundoff.results.message import Words
from roundoff.results.precision import type_bits
from roundoff.results.sensitivity import JOINED
from roundoff.revisions.read import Evidence
from roundoff.system.slots import REFERENCE_PRECISION

SLOWEST, MOST_ROWS, MOST_BULLETS = 5, 30, 12
CLOSE = 0.05  # how far the sum of the layers may be from the whole run, as a share, without a word


@dataclass(frozen=True)
class Profiled:
    """A cell with its rows, and what its run consists of."""

    rows: Sequence[LayerRow]
    parts: Breakdown
    roofline: Roofline | None
    eight_bits: bool


def layers_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Nothing where no layer was timed by this run: it is off by default."""
    cells = profiled(evidence)
    if not evidence.profile.cells:
        return
    page.add(Heading(2, words("layers_heading"), "layers"))
    if cells:
        page.add(Paragraph(words("layers_intro", batch=evidence.profile.batch_size)))
        page.add(Paragraph(_sum_words([cell.parts for cell in cells], words), "note"))
        page.add(Bullets(tuple(_why(cells, evidence.profile.batch_size or 0, words))))
        page.plot(layers_figure([each.parts for each in cells], words), _figure(cells, words))
        page.add(*folded(_parts_table(cells, words), words, said=False))
        page.add(*folded(_slowest_table(cells, words, evidence), words, said=False))
    _without(page, evidence, words)


def profiled(evidence: Evidence) -> list[Profiled]:
    """The cells whose layers were timed, in the report's order."""
    found = []
    for cell in evidence.cells:
        told = evidence.profile.cells.get(cell.key)
        if told is None:
            continue
        rows = [each for each in evidence.layers if each.cell == cell.key]
        roofline = evidence.profile.rooflines.get(str(told.device))
        bits = type_bits(cell.types.multiplied) if cell.types else None
        parts = breakdown(rows, told, bits, roofline)
        if parts is not None:
            found.append(Profiled(rows, parts, roofline, is_8_bit(cell)))
    return found


def _sum_words(cells: Sequence[Breakdown], words: Words) -> str:
    """Whether the layers add up to the run that nobody looked into."""
    off = [each for each in cells if abs(each.covered - 1) > CLOSE]
    if not off:
        return words("layers_add_up", within=percent(CLOSE, 0))
    named = (words("layers_cell_share", cell=each.cell, share=percent(each.covered, 0)) for each in off)
    return words("layers_do_not_add_up", cells=words.listed(named), within=percent(CLOSE, 0))


def _why(cells: Sequence[Profiled], batch: int, words: Words) -> Iterator[str]:
    """A paragraph for each cell, those that lose most to FP32 first."""
    by_name = {each.parts.cell: each.parts for each in cells}

    def wide(cell: Breakdown) -> Breakdown | None:
        return by_name.get(f"{REFERENCE_PRECISION}/{cell.cell.partition('/')[2]}")

    def gain(cell: Breakdown) -> float:
        other = wide(cell)
        return other.whole_ms / cell.whole_ms if other else 1.0

    others = [each for each in by_name.values() if wide(each) is not each]
    chosen = sorted(others, key=gain) or list(by_name.values())
    return (why_words(each, wide(each), batch, words) for each in chosen[:MOST_BULLETS])


def _figure(cells: Sequence[Profiled], words: Words) -> Figure:
    shares = words.listed(
        words("layers_alt_cell", cell=each.parts.cell, ms=plain(each.parts.whole_ms), parts=_shares(each.parts, words))
        for each in cells
    )
    return Figure("layers", words("layers_alt", cells=shares), words("layers_caption"))


def _shares(cell: Breakdown, words: Words) -> str:
    return words.listed(f"{words(f'part_{name}')} {percent(cell.share(name), 0)}" for name in PARTS if cell.share(name))


def _parts_table(cells: Sequence[Profiled], words: Words) -> Table:
    names = ("cell", "run_ms", "replay_ms", "layers_sum", *(f"part_{name}" for name in PARTS), "of_roof")
    columns = tuple(_begun(words(name if name.startswith("part_") else f"col_{name}")) for name in names)
    rows = tuple(
        row(
            each.parts.cell,
            plain(each.parts.whole_ms),
            plain(each.parts.replay_ms),
            percent(each.parts.covered, 1),
            *(_share(each.parts.share(name)) for name in PARTS),
            percent(each.parts.roof_share, 0),
        )
        for each in cells
    )
    return Table(words("layers_parts_table"), columns, rows)


def _begun(heading: str) -> str:
    """As the other columns begin."""
    return heading[:1].upper() + heading[1:]


def _share(share: float) -> str:
    return percent(share, 1) if share else percent(None)


def _slowest_table(cells: Sequence[Profiled], words: Words, evidence: Evidence) -> Table:
    """The slowest layers of each cell."""
    shown = [(each, layer) for each in cells for layer in _slowest(each.rows)][:MOST_ROWS]
    names = ("cell", "layer", "operator", "computes_in", "median_ms", "share", "gmacs", "of_roof", "layer_error")
    errors = errors_by_node(evidence)
    rows = tuple(_layer_fields(each, layer, errors) for each, layer in shown)
    caption = words("layers_slowest_table", count=SLOWEST, rows=len(rows))
    return Table(caption, tuple(words(f"col_{name}") for name in names), rows, labels=4)


def _slowest(rows: Sequence[LayerRow]) -> list[LayerRow]:
    return sorted((each for each in rows if each.timed), key=lambda each: each.median_ms or 0.0, reverse=True)[:SLOWEST]


def _layer_fields(cell: Profiled, layer: LayerRow, errors: Mapping[str, float]) -> tuple[Field, ...]:
    ms, roof = layer.median_ms, roof_ms(layer, cell.roofline)
    rate = layer.macs / ms / 1e6 if layer.macs and ms else None
    return row(
        layer.cell,
        short_layer(layer),
        layer.kind,
        layer.computes_in or percent(None),
        plain(ms),
        percent((layer.percentage or 0.0) / 100, 1),
        plain(rate),
        percent(roof / ms if roof and ms else None, 0),
        percent(_error(cell, layer, errors)),
    )


def errors_by_node(evidence: Evidence) -> dict[str, float]:
    """The error of the logits by what each node reads in 8 bits, alone; none where sensitivity was not measured."""
    errors: dict[str, float] = {}
    for effect in evidence.effects:
        for node in effect.node.split(JOINED):
            errors[node] = math.hypot(errors.get(node, 0.0), effect.error)
    return errors


def _error(cell: Profiled, layer: LayerRow, errors: Mapping[str, float]) -> float | None:
    """What the layer's inputs in 8 bits cost the logits: single errors add as variances."""
    known = [errors[node] for node in layer.nodes if node in errors]
    return math.hypot(*known) if known and cell.eight_bits else None


def _without(page: Page, evidence: Evidence, words: Words) -> None:
    """The cells that have no times, by reason, folded away."""
    groups: dict[str, list[str]] = {}
    for name, told in evidence.profile.cells.items():
        if told.reason is not None:
            groups.setdefault(words.sentence(told.reason), []).append(name)
    if groups:
        rows = tuple(row(words.listed(names), Field(reason, "muted")) for reason, names in groups.items())
        caption = words("layers_without", count=sum(map(len, groups.values())))
        page.add(Details(caption, (Table(caption, (words("col_cell"), words("col_words")), rows, labels=2),)))
