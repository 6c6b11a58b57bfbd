"""Rules on what was computed: the whole test set, clear of chance, calibrated on training images, in the named type."""

from __future__ import annotations

from roundoff.measurement.accuracy import beats_chance
from roundoff.report.rules.rule import NOTHING, Seen
from roundoff.report.words.compute_types import computes, holds_name, kinds_words
from roundoff.report.words.numbers import out_of, percent, scientific
from roundoff.results.message import Words
from roundoff.results.preparation import Manifest
from roundoff.revisions.read import Cell, Evidence

SMALLEST_SHARE = 0.01  # of what is allowed: a difference below that is only said to be so


def whole(evidence: Evidence, words: Words) -> Seen:
    """Held where every cell answered as many images as the prepared test split has."""
    count = evidence.manifest.counts.test
    samples = {cell.accuracy.samples for cell in evidence.measured if cell.accuracy}
    if count is None or not samples:
        return NOTHING
    text = words.listed(f"{number:,}" for number in sorted(samples))
    return samples == {count}, words("seen_whole", samples=text, count=f"{count:,}")


def chance(evidence: Evidence, words: Words) -> Seen:
    """Held where every accuracy's lower bound is above chance by the run's margin: the verdict's own criterion."""
    lows = [cell.accuracy.top1_low for cell in evidence.measured if cell.accuracy]
    if not lows:
        return NOTHING
    level, margin = evidence.chance, evidence.chance_margin
    least = level + margin * (1 - level)
    shown = {"low": percent(min(lows)), "chance": percent(level), "least": percent(least)}
    return beats_chance(min(lows), level, margin), words("seen_chance", **shown)


def calibration(evidence: Evidence, words: Words) -> Seen:
    """Held where calibration took the manifest's seeded training indices, clear of the test set, without a warning."""
    calibrated, manifest = evidence.calibration, evidence.manifest
    if calibrated is None:
        return NOTHING
    told = ((name, getattr(calibrated, name)) for name in ("method", "images", "held_out", "tensors"))
    parts = [words(f"calibrated_{name}", value=value) for name, value in told if value is not None]
    pool, count = manifest.calibration_indices, calibrated.images
    indices = None if pool is None or count is None else _indices(pool[:count], manifest)
    if indices is not None:
        seed = words("unknown") if manifest.seed is None else manifest.seed
        parts.append(words("calibrated_indices", seed=seed, **indices))
    warnings = calibrated.warnings
    parts += [words("calibrated_warning", text=finding) for finding in calibrated.findings]
    text = words("group_separator").join(parts)
    if warnings or (
        indices is not None and (indices["outside"] or indices["in_test"] or indices["count"] < (count or 0))
    ):
        return False, text
    return (None if warnings is None or indices is None or manifest.seed is None else True), text


def _indices(chosen: list[int], manifest: Manifest) -> dict[str, int]:
    """How many indices there are, how many lie outside the training split, and how many are also test images."""
    train, in_test = manifest.counts.train or 0, set(manifest.duplicates.train_indices)
    outside = sum(1 for index in chosen if not 0 <= index < train)
    return {"count": len(chosen), "outside": outside, "in_test": len(in_test.intersection(chosen))}


def numerics(evidence: Evidence, words: Words) -> Seen:
    """Held where each cell's error and layers show the type of its name; what else layers multiply in is said."""
    held = [holds_name(cell) for cell in evidence.measured]
    if not held:
        return NOTHING
    wrong, unknown = (out_of(held.count(one), len(held), words) for one in (False, None))
    parts = [words("seen_numerics", wrong=wrong, unknown=unknown)]
    parts += filter(None, (_otherwise(cell, words) for cell in evidence.measured))
    text = words("group_separator").join(parts)
    if False in held:
        return False, text
    return (None if None in held else True), text


def _otherwise(cell: Cell, words: Words) -> str:
    """What the cell computes in besides or instead of its name; empty where that is all."""
    if cell.effective_precision != cell.precision:
        error = scientific(cell.relative_error)
        return words("cell_relabelled", cell=cell.key, effective=cell.effective_precision, error=error)
    computed = computes(cell)
    if not computed.others:
        return ""
    return words("cell_kinds", cell=cell.key, total=computed.total, kinds=kinds_words(computed.others, words))


def outputs(evidence: Evidence, words: Words) -> Seen:
    """Held where the timed runs' outputs differ from the accuracy run's by no more than was allowed."""
    told = [
        (timing.output_error, timing.output_tolerance)
        for timing in evidence.timings
        if timing.output_error is not None and timing.output_tolerance is not None
    ]
    if not told:
        return None, words("seen_outputs_unrecorded")
    most = max(error / allowed if allowed else 0.0 for error, allowed in told)
    same = sum(1 for error, allowed in told if error <= allowed)
    return same == len(told), _agreement("seen_outputs", same, len(told), most, words)


def repeats(evidence: Evidence, words: Words) -> Seen:
    """Held where ten runs of one input agreed in every batch that was timed, and none failed for that."""
    told = [(timing.repeat_spread, timing.repeat_tolerance) for _, _, timing in evidence.batches]
    told = [(spread, allowed) for spread, allowed in told if spread is not None]
    if not told:
        return NOTHING
    held = [spread / allowed for spread, allowed in told if spread is not None and allowed]
    most = max(held, default=0.0)
    return len(held) == len(told), _agreement("seen_repeats", len(held), len(told), most, words)


def _agreement(key: str, same: int, count: int, most: float, words: Words) -> str:
    """How many agree, and the largest difference as a share of what is allowed."""
    share = percent(most, 0) if most >= SMALLEST_SHARE else f"< {percent(SMALLEST_SHARE, 0)}"
    difference = words("difference_share", most=share) if most else words("difference_none")
    return words(key, same=out_of(same, count, words), most=difference)
