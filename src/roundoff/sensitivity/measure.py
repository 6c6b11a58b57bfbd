"""The effect of every source on the answers, by itself, and of the worst ones left out of the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from roundoff.calibration.observing.table import CalibrationTable
from roundoff.dataset.base import Images
from roundoff.graph.queries import model_hash
from roundoff.measurement.statistics import Interval, wilson
from roundoff.precision.base import Grid, Quantizing
from roundoff.results.sensitivity import JOINED, Effect, Whole
from roundoff.sensitivity.answers import Differences, differences
from roundoff.sensitivity.intervals import error_intervals, ranks, resampled
from roundoff.sensitivity.sources import Parts, Place, Source, parts_of


@dataclass(frozen=True)
class Sensitivity:
    """The sources' effects, largest first, and the whole."""

    effects: list[Effect]
    whole: Whole


def sensitivity_of(
    precision: Quantizing,
    model: onnx.ModelProto,
    grid: Grid,
    table: CalibrationTable,
    images: Images,
    left_wide: int,
    seed: int,
) -> Sensitivity:
    """Of that precision of the model on that grid, on images uint8 [n, H, W, C]; `left_wide` sources by themselves.

    Raises what converting raises, and RoundoffError for logits that are not finite.
    """
    parts = parts_of(precision.float_graph(model, grid), precision.with_pairs(model, grid, table))
    every = all_reads(parts.sources)
    found = differences(parts.model, {}, [*(source.reads for source in parts.sources), every], images)
    draws = resampled(len(images), seed)
    single = found.of(range(len(parts.sources)))
    effects = _effects(parts.sources, single, draws)
    whole = _whole(found.of([len(parts.sources)]), draws, effects)
    order = np.argsort([effect.rank for effect in effects])
    worst = [int(index) for index in order[:left_wide]]
    if worst:
        without = differences(parts.model, every, [left_out(parts, [index]) for index in worst], images)
        for index, values in zip(worst, _figures(without, draws), strict=True):
            effects[index] = _with(effects[index], *values)
    told = replace(
        whole,
        images_sha256=hashlib.sha256(images.tobytes()).hexdigest(),
        graph_sha256=model_hash(model),
        grid=f"{grid.activation}{', symmetric' if grid.symmetric else ''}",
    )
    return Sensitivity([effects[int(index)] for index in order], told)


def all_reads(sources: Sequence[Source]) -> dict[Place, str]:
    """Every source on."""
    return {place: tensor for source in sources for place, tensor in source.reads.items()}


def left_out(parts: Parts, indices: Sequence[int]) -> dict[Place, str]:
    """What nodes read where these sources are off, beside all others that are on."""
    nodes = parts.model.graph.node
    places = [place for index in indices for place in parts.sources[index].reads]
    return {(node, slot): nodes[node].input[slot] if slot < len(nodes[node].input) else "" for node, slot in places}


def _effects(sources: Sequence[Source], found: Differences, draws: np.ndarray) -> list[Effect]:
    total = float(found.squares.sum())
    figures = zip(sources, _figures(found, draws), ranks(found.squares), found.squares.sum(axis=0), strict=True)
    return [
        Effect(
            source=source.name,
            kind=source.kind,
            layer=JOINED.join(dict.fromkeys(map(layer_of, source.readers))),
            node=JOINED.join(source.readers),
            rank=rank.place,
            rank_low=rank.low,
            rank_high=rank.high,
            error=error.value,
            error_low=error.low,
            error_high=error.high,
            agreement=agreement.value,
            agreement_low=agreement.low,
            agreement_high=agreement.high,
            variance_share=float(variance / total) if total else 0.0,
        )
        for source, (error, agreement), rank, variance in figures
    ]


def layer_of(node: str) -> str:
    """The user's layer of an exported graph's node LAYER/OPERATOR; of another graph's node, its name."""
    return node.rpartition("/")[0] or node


def _figures(found: Differences, draws: np.ndarray) -> list[tuple[Interval, Interval]]:
    """The error and the agreement of each version."""
    errors = error_intervals(found.squares, found.scale, draws)
    return [(error, wilson(int(same.sum()), len(same))) for error, same in zip(errors, found.same.T, strict=True)]


def _whole(found: Differences, draws: np.ndarray, effects: Sequence[Effect]) -> Whole:
    (error, agreement) = _figures(found, draws)[0]
    return Whole(
        images=len(found.scale),
        sources=len(effects),
        error=error.value,
        error_low=error.low,
        error_high=error.high,
        agreement=agreement.value,
        agreement_low=agreement.low,
        agreement_high=agreement.high,
        root_sum_squares=float(np.sqrt(sum(effect.error**2 for effect in effects))),
    )


def _with(effect: Effect, error: Interval, agreement: Interval) -> Effect:
    return replace(
        effect,
        without_error=error.value,
        without_error_low=error.low,
        without_error_high=error.high,
        without_agreement=agreement.value,
        without_agreement_low=agreement.low,
        without_agreement_high=agreement.high,
    )
