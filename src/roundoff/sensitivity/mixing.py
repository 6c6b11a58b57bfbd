"""A mixed precision: names that a narrow one leaves wide, chosen by effect and cost, verified by running it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt

import onnx

from roundoff.calibration.observing.table import CalibrationTable
from roundoff.dataset.base import Images
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid, Halving, Quantizing
from roundoff.results.mixed import Mixed, Step
from roundoff.sensitivity.answers import Reference, differences
from roundoff.sensitivity.choosing import Filling, fillings
from roundoff.sensitivity.half_recipe import half_recipe
from roundoff.sensitivity.recipe import Recipe, quantizing_recipe
from roundoff.sensitivity.verifying import Search

MULTIPLY_ADDS = "multiply-adds that are not in {bits} bits, and {value:.0f} for each wide value, per image"

NS_PER_VALUE = 1.0
"""As long as a value takes to be put into 8 bits and back, or a little longer: measured as `WIDE_VALUE` was."""


@dataclass(frozen=True)
class Cost:
    """What a node that is wide costs in place of its multiply-adds, in a unit."""

    unit: str
    of: Callable[[Collection[str]], Mapping[str, float]]


@dataclass(frozen=True)
class Given:
    """What a choice is made of: the precision by name, the FP32 graph, the grid and the ranges, and what costs."""

    name: str
    precision: Quantizing | Halving
    model: onnx.ModelProto
    grid: Grid
    table: CalibrationTable | None
    cost: Cost | None = None

    @cached_property
    def recipe(self) -> Recipe:
        """How this precision is chosen for; raises what converting raises."""
        if isinstance(self.precision, Halving):
            return half_recipe(self.precision, self.model)
        return quantizing_recipe(self.precision, self.model, self.grid, self.table)


def mixed_of(given: Given, images: Images, others: Images, least: float, seed: int) -> Mixed:
    """The cheapest names to leave wide with which the agreement's interval reaches `least`, else the best.

    Effects are measured on `images`, mixed graphs run on `others`, both uint8 [n, H, W, C]. Raises what converting
    raises.
    """
    steps, recipe = list(front(given, images)), given.recipe
    search = Search(
        Reference(given.model, others, kernels=recipe.kernels),
        lambda step: recipe.make(steps[step].names),
        len(steps) - 1,
        least,
        seed,
    )
    chosen, passes = search.chosen()
    return Mixed(
        precision=given.name,
        graph_sha256=model_hash(given.model),
        grid=recipe.grid,
        least_agreement=least,
        passes=passes,
        chosen=chosen,
        nodes=list(steps[chosen].names),
        cost_unit=given.cost.unit if given.cost else MULTIPLY_ADDS.format(bits=recipe.bits, value=recipe.price.value),
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
    added: str | None
    cost: float
    cost_share: float
    expected_error: float


def front(given: Given, images: Images) -> list[Point]:
    """From nothing left wide to all that leaves something narrow."""
    recipe = given.recipe
    reads = [source.reads for source in recipe.parts.sources]
    found = differences(recipe.parts.model, {}, reads, images, "mix", lost=recipe.overflows)
    variances = (found.squares.sum(axis=0) / found.scale.sum()).tolist()
    price = recipe.price
    if given.cost:
        price = replace(price, macs=given.cost.of(frozenset().union(*price.products)), value=NS_PER_VALUE)
    first, *further = fillings(recipe.units, variances, price, recipe.off_with)
    whole = price.of(frozenset(range(len(reads))))
    return [_point(one, whole) for one in [first, *(each for each in further if recipe.narrow(each.off))]]


def _point(one: Filling, total: float) -> Point:
    share = min(one.cost / total, 1.0) if total else 0.0
    return Point(one.names, one.added, one.cost, share, sqrt(one.variance))


def _steps(points: list[Point], search: Search) -> list[Step]:
    verified, beyond = search.verified(), search.beyond_noise()
    return [
        Step(
            added=point.added,
            cost=point.cost,
            cost_share=point.cost_share,
            expected_error=point.expected_error,
            verified=verified.get(place),
            beyond_noise=beyond.get(place),
        )
        for place, point in enumerate(points)
    ]
