"""What a choice needs of a precision: its sources of error, what can be left wide, what that costs, and how it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import onnx

from roundoff.calibration.observing.table import CalibrationTable
from roundoff.precision.base import Grid, Quantizing
from roundoff.sensitivity.choosing import Off, Price, Unit, leaving, off_without, price_of, units_of
from roundoff.sensitivity.sources import Parts, Source, parts_of


@dataclass(frozen=True)
class Recipe:
    """Of one precision of one graph on one grid.

    `off_with` tells which sources are off where names are left wide, `narrow` whether anything then still multiplies in
    few bits; `make` is the graph that is run with those names wide, in 8-bit kernels with `kernels`, else in floats.
    Values can be beyond the type's range where it `overflows`.
    """

    parts: Parts
    units: Sequence[Unit]
    price: Price
    off_with: Callable[[Sequence[str]], Off]
    narrow: Callable[[Off], bool]
    make: Callable[[Sequence[str]], onnx.ModelProto]
    grid: str
    bits: int
    kernels: bool = False
    overflows: bool = False


def quantizing_recipe(
    precision: Quantizing, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None
) -> Recipe:
    """The recipe of a precision with pairs; raises what converting raises."""
    floats = precision.float_graph(model, grid)
    parts = parts_of(floats, precision.with_pairs(model, grid, table))
    placed = grid if precision.remainder == "float32" else Grid()  # no CPU kernel takes pairs beside float16
    return Recipe(
        parts=parts,
        units=units_of(precision, floats, grid, parts.sources),
        price=price_of(floats, placed, parts.sources),
        off_with=partial(off_without, precision, floats, grid, parts.sources),
        narrow=partial(_multiplies, parts.sources),
        make=lambda names: leaving(precision, names).convert(model, grid, table),
        grid=f"{grid.activation}{', symmetric' if grid.symmetric else ''}",
        bits=8,
        kernels=not grid.fuses_add and precision.activations == "int8",
    )


def _multiplies(sources: Sequence[Source], off: Off) -> bool:
    """Whether anything is left that multiplies in 8 bits: an activation and a weight."""
    kinds = {source.kind for place, source in enumerate(sources) if place not in off}
    return kinds == {"activation", "weight"}
