"""A mixed precision: names that a quantized one leaves wide, chosen by effect and cost, verified by running it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import onnx

from roundoff.calibration.observing.table import CalibrationTable
from roundoff.dataset.base import Images
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid, Quantizing
from roundoff.results.mixed import Mixed, Step
from roundoff.sensitivity.answers import Reference, differences
from roundoff.sensitivity.choosing import Filling, fillings, leaving, off_without, price_of, units_of
from roundoff.sensitivity.sources import Source, parts_of
from roundoff.sensitivity.verifying import Search

MULTIPLY_ADDS = "multiply-adds that are not in 8 bits, and one for each wide value of an activation, per image"


@dataclass(frozen=True)
class Cost:
    """What a node that is wide costs in place of its multiply-adds, in a unit."""

    unit: str
    of: Callable[[Collection[str]], Mapping[str, float]]


@dataclass(frozen=True)
class Given:
    """What a choice is made of: the precision by name, the FP32 graph, the grid and the ranges, and what costs."""

    name: str
    precision: Quantizing
    model: onnx.ModelProto
    grid: Grid
    table: CalibrationTable
    cost: Cost | None = None

    @property
    def has_kernels(self) -> bool:
        """Whether ONNX Runtime has 8-bit kernels for it, which round as what is shipped does."""
        return not self.grid.fuses_add and self.precision.activations == "int8"


def mixed_of(given: Given, images: Images, others: Images, least: float, seed: int) -> Mixed:
    """The cheapest names to leave wide with which the agreement's interval reaches `least`, else the best.

    Effects are measured on `images`, mixed graphs run on `others`, both uint8 [n, H, W, C]. Raises what converting
    raises.
    """
    steps = list(front(given, images))
    search = Search(
        Reference(given.model, others, kernels=given.has_kernels),
        lambda step: leaving(given.precision, steps[step].names).convert(given.model, given.grid, given.table),
        len(steps) - 1,
        least,
        seed,
    )
    chosen, passes = search.chosen()
    return Mixed(
        precision=given.name,
        graph_sha256=model_hash(given.model),
        grid=f"{given.grid.activation}{', symmetric' if given.grid.symmetric else ''}",
        least_agreement=least,
        passes=passes,
        chosen=chosen,
        nodes=list(steps[chosen].names),
        cost_unit=given.cost.unit if given.cost else MULTIPLY_ADDS,
        steps=_steps(steps, search),
        images=len(images),
        images_sha256=hashlib.sha256(images.tobytes()).hexdigest(),
        verified_images=len(others),
        verified_images_sha256=hashlib.sha256(others.tobytes()).hexdigest(),
    )


@dataclass(frozen=True)
class Point:
    """A filling, with the error that is expected of it and its share of all costs."""

    names: tuple[str, ...]
    cost: float
    cost_share: float
    expected_error: float


def front(given: Given, images: Images) -> list[Point]:
    """From nothing left wide to all that leaves something in 8 bits."""
    floats = given.precision.float_graph(given.model, given.grid)
    parts = parts_of(floats, given.precision.with_pairs(given.model, given.grid, given.table))
    found = differences(parts.model, {}, [source.reads for source in parts.sources], images, "mix")
    variances = (found.squares.sum(axis=0) / found.scale.sum()).tolist()
    price = price_of(floats, given.grid, parts.sources)
    if given.cost:
        price = replace(price, macs=given.cost.of(frozenset().union(*price.products)))
    units = units_of(given.precision, floats, given.grid, parts.sources)
    off_with = partial(off_without, given.precision, floats, given.grid, parts.sources)
    every = [one for one in fillings(units, variances, price, off_with) if _multiplies(parts.sources, one)]
    whole = price.of(frozenset(range(len(parts.sources))))
    return [_point(one, whole) for one in every]


def _multiplies(sources: Sequence[Source], one: Filling) -> bool:
    """Whether anything is left that multiplies in 8 bits: an activation and a weight."""
    kinds = {source.kind for place, source in enumerate(sources) if place not in one.off}
    return kinds == {"activation", "weight"}


def _point(one: Filling, total: float) -> Point:
    return Point(one.names, one.cost, min(one.cost / total, 1.0) if total else 0.0, sqrt(one.variance))


def _steps(points: list[Point], search: Search) -> list[Step]:
    verified, beyond = search.verified(), search.beyond_noise()
    return [
        Step(
            added=point.names[-1] if point.names else None,
            cost=point.cost,
            cost_share=point.cost_share,
            expected_error=point.expected_error,
            verified=verified.get(place),
            beyond_noise=beyond.get(place),
        )
        for place, point in enumerate(points)
    ]
