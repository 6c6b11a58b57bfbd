"""What a cell multiplies in, by its layers and by its measured error, against the type that it is named after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from roundoff.results.cell import Numerics
from roundoff.results.message import Words, message
from roundoff.results.precision import type_bits
from roundoff.revisions.read import Cell
from roundoff.system.slots import FULL_WIDTH

QUANTIZED_BITS = 8


@dataclass(frozen=True)
class Computes:
    """Convolutions and matrix products by the type that they multiply in, and the type that the precision promises.

    `named` is NumPy's name ("float16", "int8"), None where nothing tells it; `counts` leaves out layers whose type is
    not known; `shares` of the multiply-adds are None where nothing tells them.
    """

    named: str | None
    counts: Mapping[str, int]
    shares: Mapping[str, float] | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def others(self) -> dict[str, int]:
        """Layers in a type that the precision does not promise; empty where nothing tells which it does."""
        return {kind: count for kind, count in self.counts.items() if self.named and not self._is_named(kind)}

    @property
    def share_named(self) -> float:
        """The share of the work in the named type: of the multiply-adds if they are known, else of the layers."""
        amounts: Mapping[str, float] = self.shares or self.counts
        whole = sum(amounts.values())
        return sum(amount for kind, amount in amounts.items() if self._is_named(kind)) / whole if whole else 0.0

    @property
    def as_named(self) -> bool | None:
        """Whether the layers multiply in the named type; None where they do not tell.

        Networks of eight bits or fewer may leave a few layers wider, so for them most of the work has to be.
        """
        if self.named is None or not self.counts:
            return None
        return not self.others or (self._quantized and self.share_named > 0.5)

    @property
    def _quantized(self) -> bool:
        return (type_bits(self.named or "") or 0) <= QUANTIZED_BITS

    def _is_named(self, kind: str) -> bool:
        # uint8 weights are int8 ones, shifted by 128
        return self.named is not None and kind.removeprefix("u").startswith(self.named)


def computes(cell: Cell) -> Computes:
    """From the cell's `numerics`: `layer_types`, counts by type, and `compute_share` where the runtime tells it."""
    told = cell.metrics.numerics or Numerics()
    counts, given = told.layer_types or {}, told.compute_share or {}
    known = {kind: count for kind, count in counts.items() if kind != "unknown"}
    shares = {kind: share for kind, share in given.items() if kind != "unknown"}
    return Computes(cell.types.multiplied if cell.types else None, known, shares or None)


def holds_name(cell: Cell) -> bool | None:
    """Whether the cell computes in the type of its name, by its measured error and its layers; None if neither tells.

    The error proves FP32 and TF32 alone: a narrower type's error is also that of values rounded to it and multiplied
    in a wider one.
    """
    if cell.effective_precision != cell.precision:
        return False
    by_layers = computes(cell).as_named
    if by_layers is None and cell.effective_precision in FULL_WIDTH:
        return True if cell.relative_error is not None else None
    return by_layers


def is_8_bit(cell: Cell) -> bool:
    """Whether the cell's weights take eight bits or fewer."""
    bits = cell.types.weight_bits if cell.types else None
    return bits is not None and bits <= QUANTIZED_BITS


def is_quantized_integer(cell: Cell) -> bool:
    """Whether those are integers, so that the noise of integer grids is the cell's."""
    return cell.types is not None and is_8_bit(cell) and "int" in cell.types.weights


def kinds_words(counts: Mapping[str, int], words: Words, total: int | None = None) -> str:
    """For example "21 in int8, 1 in float32", or "all in float32" where there are `total` of one kind."""
    if list(counts.values()) == [total]:
        return words("layers_all", kind=next(iter(counts)))
    return words.listed(message("layers_in", count=count, kind=kind) for kind, count in counts.items())
