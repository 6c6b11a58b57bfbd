"""Why a cell is not faster, in words: what its run consists of, beside FP32's on the same backend."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from roundoff.profiling.parts import Breakdown, Part, PartName, twin_ms
from roundoff.report.words.numbers import percent, plain
from roundoff.results.layers import LayerRow
from roundoff.results.message import Words

MOST_NAMED = 3
LEAST_SHARE = 0.02  # of a run, that is worth a word
FASTER_FROM = 1.02  # below this ratio a cell counts as not faster


def why_words(cell: Breakdown, wide: Breakdown | None, batch: int, words: Words) -> str:
    """What a cell takes beside FP32's cell `wide`, why it is not faster where it is not, and what it consists of."""
    sentences, named = [_head(cell, wide, batch, words)], set[str]()
    if wide is not None and wide.whole_ms / cell.whole_ms < FASTER_FROM:
        reasons = dict(_reasons(cell, wide, words))
        named = set(reasons)
        sentences.append(words("why_slower", reasons=words.listed(reasons.values())) if reasons else words("why_same"))
    if parts := list(_parts(cell, named, words)):
        sentences.append(words("why_parts", parts=words.listed(parts)))
    if cell.roof_ms is not None:
        sentences.append(words("why_roof", ms=plain(cell.roof_ms), share=percent(cell.roof_share, 0)))
    return words("sentence_separator").join(sentences)


def _head(cell: Breakdown, wide: Breakdown | None, batch: int, words: Words) -> str:
    if wide is None:
        return words("why_alone", cell=cell.cell, ms=plain(cell.whole_ms), batch=batch)
    ratio = words("times", value=f"{wide.whole_ms / cell.whole_ms:.2f}")
    figures = {"ms": plain(cell.whole_ms), "wide_ms": plain(wide.whole_ms)}
    return words("why_head", cell=cell.cell, wide=wide.cell, batch=batch, ratio=ratio, **figures)


def _reasons(cell: Breakdown, wide: Breakdown, words: Words) -> Iterator[tuple[str, str]]:
    """The parts that take longer than FP32's, the greatest difference first: name and words."""
    pairs: dict[str, tuple[Part, Part]] = {"product": (cell.products, wide.products)}
    names: tuple[PartName, ...] = ("conversion", "other", "host")
    pairs |= {name: (cell.parts[name], wide.parts[name]) for name in names}
    for name, (own, other) in sorted(pairs.items(), key=lambda pair: pair[1][1].ms - pair[1][0].ms):
        if own.ms - other.ms > LEAST_SHARE * cell.whole_ms:
            values = {"ms": plain(own.ms), "wide_ms": plain(other.ms)}
            yield name, words(f"why_{name}", **values, layers=_against(name, own, other, words))


def _against(name: str, own: Part, other: Part, words: Words) -> str:
    """The layers to name: those that lose most to FP32's, each with both times; of conversions the longest."""
    if name != "product":
        return layers_words(own.layers, words)
    lost = [(row, twin) for row in own.layers if (twin := twin_ms(row, other.layers)) is not None]
    lost.sort(key=lambda pair: pair[1] - (pair[0].median_ms or 0.0))
    named = (
        words("why_layer_against", layer=short_layer(row), ms=plain(row.median_ms), wide_ms=plain(twin))
        for row, twin in lost[:MOST_NAMED]
    )
    return words.listed(named) if lost else layers_words(own.layers, words)


def _parts(cell: Breakdown, named: Collection[str], words: Words) -> Iterator[str]:
    """The shares of the run; the layers of those that are `named` were told already."""
    names: tuple[PartName, ...] = ("conversion", "wide", "other", "host")
    for name in names:
        if cell.share(name) >= LEAST_SHARE:
            if name in named:
                yield words("why_share", share=percent(cell.share(name), 0), part=words(f"part_{name}"))
                continue
            layers = cell.parts[name].layers
            kinds = words.listed(dict.fromkeys(str(row.computes_in) for row in layers))
            longest = layers_words(layers, words)
            yield words(f"why_part_{name}", share=percent(cell.share(name), 0), kinds=kinds, layers=longest)


def layers_words(layers: Sequence[LayerRow], words: Words) -> str:
    """The first layers with their operators, and how many more there are."""
    named = [_named(row, words) for row in layers[:MOST_NAMED]]
    more = len(layers) - len(named)
    return words.listed([*named, words("why_more", count=more)] if more else named)


def _named(row: LayerRow, words: Words) -> str:
    """What it does and where; what the runtime has added is called after what it does."""
    layer = short_layer(row)
    return layer if layer.startswith(row.kind) else words("why_layer", layer=layer, kind=row.kind)


def short_layer(row: LayerRow) -> str:
    """The first of the layers that were fused, and how many others are in it."""
    first, *others = row.layer.split(";")
    return f"{first} (+{len(others)})" if others else first
