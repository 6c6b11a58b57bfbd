"""What a cell's run consists of: products, conversions, other layers, and what surrounds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from roundoff.results.layers import CONVERSION, PRODUCT, CellLayers, LayerRow, Roofline
from roundoff.results.precision import type_bits

PartName = Literal["product", "wide", "conversion", "other", "host"]
PARTS: tuple[PartName, ...] = ("product", "wide", "conversion", "other", "host")


@dataclass(frozen=True)
class Part:
    """Milliseconds of one run, and the layers behind them, longest first."""

    ms: float = 0.0
    layers: tuple[LayerRow, ...] = ()


@dataclass(frozen=True)
class Breakdown:
    """One cell: its run as a whole, its parts, and the milliseconds that its device's roofline allows for its layers.

    `product` are products in the cell's own type, `wide` those that it leaves in a wider one, `host` what is in no
    layer. `roof_ms` is None where the device's peaks are not known.
    """

    cell: str
    whole_ms: float
    covered: float
    parts: dict[PartName, Part]
    roof_ms: float | None
    replay_ms: float | None = None

    def share(self, part: PartName) -> float:
        """Of the run, 0 to 1."""
        return self.parts[part].ms / self.whole_ms

    @property
    def roof_share(self) -> float | None:
        """How much of the run the roofline allows for, 0 to 1."""
        return None if self.roof_ms is None else self.roof_ms / self.whole_ms

    @property
    def products(self) -> Part:
        """Products in whatever type."""
        both = (self.parts["product"], self.parts["wide"])
        layers = sorted((row for part in both for row in part.layers), key=_time, reverse=True)
        return Part(sum(part.ms for part in both), tuple(layers))


def breakdown(
    rows: Sequence[LayerRow], told: CellLayers, bits: int | None, roofline: Roofline | None
) -> Breakdown | None:
    """Of the rows of a cell that is named after a type of so many bits (None: not known); None where it has no times.

    Layers' medians are scaled to their share of the whole run, and to all of it where looking made them longer: noise
    lengthens a sum's median more than each of them.
    """
    timed = [row for row in rows if row.timed]
    if not timed or told.whole_ms is None or told.covered is None:
        return None
    layers_ms = min(told.covered, 1.0) * told.whole_ms
    factor = layers_ms / (sum(map(_time, timed)) or 1.0)
    scaled = [replace(row, median_ms=_time(row) * factor) for row in timed]
    held: dict[PartName, list[LayerRow]] = {name: [] for name in PARTS}
    for row in sorted(scaled, key=_time, reverse=True):
        held[_part_of(row, bits)].append(row)
    parts = {name: Part(sum(map(_time, members)), tuple(members)) for name, members in held.items()}
    parts["host"] = Part(max(0.0, told.whole_ms - layers_ms))
    roofs = [roof_ms(row, roofline) for row in scaled]
    known = [roof for roof in roofs if roof is not None]
    return Breakdown(
        cell=timed[0].cell,
        whole_ms=told.whole_ms,
        covered=told.covered,
        parts=parts,
        roof_ms=sum(known) if known else None,
        replay_ms=told.replay_ms,
    )


def roof_ms(row: LayerRow, roofline: Roofline | None) -> float | None:
    """The least milliseconds in which the device could do the layer: its products, or its bytes, whichever is longer.

    What the layer took at most: a tensor that stays in a cache moves faster than a large one. None where the peak for
    what it does is not known.
    """
    if roofline is None:
        return None
    peak = roofline.macs_per_s.get(str(row.computes_in))
    computing = 1e3 * row.macs / peak if row.macs and peak else None
    moving = 1e3 * row.moved_bytes / roofline.bytes_per_s if row.moved_bytes and roofline.bytes_per_s else None
    if row.macs and computing is None:
        return None
    known = [ms for ms in (computing, moving) if ms is not None]
    return min(max(known), _time(row)) if known else None


def _part_of(row: LayerRow, bits: int | None) -> PartName:
    if row.role == PRODUCT:
        computed = type_bits(row.computes_in or "")
        return "wide" if bits and computed and computed > bits else "product"
    return "conversion" if row.role == CONVERSION else "other"


def _time(row: LayerRow) -> float:
    return row.median_ms or 0.0


def twin_ms(row: LayerRow, others: Sequence[LayerRow]) -> float | None:
    """What the layers of another cell take that stand for the same nodes; None where there are none.

    Where the backend tells no nodes, those that are called the same and do the same.
    """
    shared = [other for other in others if _same(row, other)]
    return sum(map(_time, shared)) if shared else None


def _same(row: LayerRow, other: LayerRow) -> bool:
    if row.nodes or other.nodes:
        return bool(set(row.nodes) & set(other.nodes))
    return (row.layer, row.role) == (other.layer, other.role)
