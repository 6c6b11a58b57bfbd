"""Does it matter which images calibration draws, and would more do better? Calibration repeated over random draws.

Every image is run once: the pool is cut at random into groups, whose histograms add up, and a draw is a random set of
groups. Each draw's table is put into the graph, which answers held-out training images; no test image has a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.calibration.base import Calibrator
from roundoff.calibration.observing.choosing import choose_range
from roundoff.calibration.observing.histogram import Histogram
from roundoff.calibration.observing.judging import Judge
from roundoff.calibration.observing.observe import add_counted, chunk_size_for, in_batches, observe
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.dataset.base import Images
from roundoff.graph.queries import convolution_inputs, model_hash
from roundoff.results.preparation import Draws, DrawSize, Suffices

GROUPS = 16
"""Groups that make up the images asked for, about: what is drawn is groups."""
POOL = 4
"""How many times the images asked for are drawn from, where there are as many."""
MOST_JUDGED = 512
MATTERS = 0.001
"""A gain of agreement below this share is none that one would take twice the images for."""

Indices = NDArray[np.int64]
Grouped = list[dict[str, Histogram]]
Quantize = Callable[[onnx.ModelProto, CalibrationTable], onnx.ModelProto]


@dataclass(frozen=True)
class Drawing:
    """What draws are made from: the model, its tensors, the training images, and how a table becomes a graph."""

    model: onnx.ModelProto
    names: Sequence[str]
    required: Collection[str]
    images: Images
    quantize: Quantize


def draws(calibrator: Calibrator, drawing: Drawing, usable: Indices, seed: int) -> Draws | None:
    """The agreement with FP32 over `calibrator.draws` random draws of half, all and twice its images.

    `usable`, int64 [n], are indices of training images that are not test images; a part of them is set aside to be
    answered. None where they are too few to draw from.
    """
    random = np.random.default_rng((seed, 23))
    shuffled = random.permutation(usable)
    judged, pool = _parted(shuffled, calibrator)
    size = _group_size(calibrator.images, drawing)
    groups = _observed(drawing, pool[: len(pool) // size * size], size)
    held = math.ceil(calibrator.held_out / size)
    sizes = _sizes(calibrator.images, size, len(groups) - held)
    if not sizes:
        return None
    orders = [random.permutation(len(groups)) for _ in range(calibrator.draws)]
    judge = Judge(drawing.model, drawing.images, judged)

    def agreement(order: Indices, count: int) -> float:
        table = _table(calibrator, drawing, groups, order, count, held)
        return judge.agreement(drawing.quantize(drawing.model, table))

    found = {count: [agreement(order, count) for order in orders] for count in sizes}
    return _summed_up({count * size: shares for count, shares in found.items()}, calibrator.images, len(judged))


def _parted(shuffled: Indices, calibrator: Calibrator) -> tuple[Indices, Indices]:
    """A quarter at most to be answered, and what draws are made of."""
    judged = min(MOST_JUDGED, len(shuffled) // 4)
    most = POOL * calibrator.images + calibrator.held_out
    return shuffled[:judged], shuffled[judged : judged + most]


def _group_size(images: int, drawing: Drawing) -> int:
    """Whole chunks, so that no chunk has images of two groups."""
    chunk = chunk_size_for(drawing.model, drawing.names)
    return chunk * max(1, round(images / GROUPS / chunk))


def _sizes(images: int, size: int, most: int) -> list[int]:
    """Groups in half of the images, in all, and in twice as many or as there are, where that is clearly more."""
    whole = max(1, round(images / size))
    if whole > most:
        return []
    half, double = whole // 2, min(2 * whole, most)
    return [count for count in (half, whole) if count] + ([double] if double >= 1.25 * whole else [])


def _observed(drawing: Drawing, pool: Indices, size: int) -> Grouped:
    """The histograms of each group of `size` images."""
    chunks = size // chunk_size_for(drawing.model, drawing.names)
    convolved, groups = convolution_inputs(drawing.model), Grouped()
    stream = observe(drawing.model, drawing.names, in_batches(drawing.images, pool, size), drawing.required)
    for number, chunk in enumerate(stream):
        if number % chunks == 0:
            groups.append({name: Histogram() for name in chunk})
        for name, values in chunk.items():
            if name in groups[-1] and not add_counted(groups[-1][name], name, values, drawing.required):
                del groups[-1][name]
            elif name in convolved and name in groups[-1]:
                groups[-1][name].add_channels(values)
    return groups


def _table(
    calibrator: Calibrator, drawing: Drawing, groups: Grouped, order: Indices, count: int, held: int
) -> CalibrationTable:
    """The table of a draw: its first `count` groups, and as held-out ones the last `held` of its order."""
    seen = _added([groups[index] for index in order[:count]])
    compared = _added([groups[index] for index in order[len(order) - held :]])
    ranges = {name: choose_range(calibrator, seen[name], compared[name]) for name in seen if name in compared}
    return CalibrationTable(ranges, Provenance(model_sha256=model_hash(drawing.model)))


def _added(groups: Grouped) -> dict[str, Histogram]:
    names = set.intersection(*(set(group) for group in groups))
    return {name: sum_of([group[name] for group in groups]) for name in groups[0] if name in names}


def sum_of(histograms: Sequence[Histogram]) -> Histogram:
    """One histogram of what all have counted, channels included; as if the images had come in one stream."""
    first, *others = histograms
    total = first
    for other in others:
        total = total.merged(other)
    sums = [each.channel_sums for each in histograms if each.channel_sums is not None]
    channels = np.sum(sums, axis=0) if sums else None
    return replace(total, channel_sums=channels, images=sum(each.images for each in histograms))


def _summed_up(found: Mapping[int, Sequence[float]], asked: int, judged: int) -> Draws:
    """Means and intervals over draws; the gain of the most images over those asked for, from the same draws."""
    sizes = [_size(images, shares) for images, shares in found.items()]
    own = min(found, key=lambda images: abs(images - asked))
    most = max(found)
    if most <= own:
        return Draws(draws=len(found[own]), judged=judged, sizes=sizes)
    gains = np.subtract(found[most], found[own])
    half = _student(len(gains)) * float(np.std(gains, ddof=1)) / math.sqrt(len(gains))
    gain = float(np.mean(gains))
    return Draws(
        draws=len(gains),
        judged=judged,
        sizes=sizes,
        gain=gain,
        gain_low=gain - half,
        gain_high=gain + half,
        suffices=_suffices(gain - half, gain + half),
    )


def _size(images: int, shares: Sequence[float]) -> DrawSize:
    """With the interval that another draw's agreement lies in with 95 % (Student's prediction interval)."""
    mean, count = float(np.mean(shares)), len(shares)
    half = _student(count) * float(np.std(shares, ddof=1)) * math.sqrt(1 + 1 / count)
    return DrawSize(
        images=images,
        agreement=mean,
        agreement_low=max(0.0, mean - half),
        agreement_high=min(1.0, mean + half),
        lowest=min(shares),
        highest=max(shares),
    )


def _suffices(low: float, high: float) -> Suffices:
    if high <= MATTERS:
        return "yes"
    return "no" if low > 0 else "undecided"


def _student(count: int) -> float:
    from scipy import special

    return float(special.stdtrit(count - 1, 0.975))
