"""Does the default calibrator choose well? Its squared error on images that it never saw, beside the best candidate's.

    python -m benchmarks.calibration choice [--distributions 1000] [--values 2048]
        [--prepared data/prepared --models NAME=PATH ...] [--check] [--out FILE] [--document docs/calibration.md]

Random distributions (benchmarks/calibration/distributions.py), a tensor each with as many values of an image as
calibration counts of large ones, and all observed tensors of the models. A range is chosen on IMAGES and HELD_OUT
images, as conf/ has it, and errs on FRESH others, none of which chose anything; zeros count. Candidates are the ranges
that every method chooses on the first of these: minmax, percentile (99.99 and 99.999), entropy, evenly spaced
thresholds judged by squared error, and on the asymmetric grid percentiles of each side as well.
With --check, exits 1 unless the default's error is at most CLOSE times the best candidate's in MOST of all tensors
on each grid, and at most FAR times in all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.calibration.distributions import Distribution
from benchmarks.document import replace_block
from roundoff.backend.fingerprint import fingerprint
from roundoff.calibration.base import Choice, Ends
from roundoff.calibration.entropy import Entropy
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError, squared_error
from roundoff.calibration.observing.grid_error import GridError
from roundoff.calibration.observing.histogram import BINS, Histogram
from roundoff.calibration.observing.observe import SAMPLES, histograms, in_batches
from roundoff.calibration.percentile import Percentile
from roundoff.dataset.base import Prepared
from roundoff.graph.observed import observed_tensors
from roundoff.results.checked import as_json
from roundoff.system.files import write_text
from roundoff.system.progress import track

IMAGES, HELD_OUT, FRESH = 320, 128, 1024
CLOSE, FAR, MOST = 1.1, 2.0, 0.99
GRIDS = ("symmetric", "asymmetric")
METHODS = (MinMax(), Percentile(), Percentile(percentile=99.999), Entropy())
SIDED = (99.9, 99.99, 99.999)
SMALLEST_SHARE = 1e-12
"""Of the tensor's power: an error below it is float32's own, not the grid's."""

Errors = Callable[[Sequence[Ends], bool], NDArray[np.float64]]
"""From ranges and whether the grid is symmetric to squared errors on fresh images, as shares of the tensor's power."""


def candidates(seen: Histogram, symmetric: bool) -> list[Ends]:
    """The ranges of all methods but the default."""
    thresholds = [method.threshold(seen) for method in METHODS]
    tried = np.linspace(seen.peak, seen.peak / 16, 256)
    thresholds.append(float(min(tried, key=lambda one: squared_error(seen, float(one)))))
    cuts = [seen.cut(threshold) for threshold in thresholds]
    return cuts if symmetric else [*cuts, *(each_side(seen, percentile) for percentile in SIDED)]


def each_side(seen: Histogram, percentile: float) -> Ends:
    """The range that leaves half of the rest on either side, zeros counted."""
    counts = seen.counts.copy()
    counts[BINS] += seen.zeros
    below, rest = np.cumsum(counts), seen.total * (1 - percentile / 100) / 2
    low = min((int(np.searchsorted(below, rest)) - BINS - 1) * seen.width, 0.0)
    high = max((int(np.searchsorted(below, seen.total - rest)) - BINS + 1) * seen.width, 0.0)
    return max(low, seen.low), min(high, seen.high)


def ratio(seen: Histogram, held_out: Histogram, errors: Errors, symmetric: bool) -> float:
    """The default's error over the best candidate's."""
    chosen: Choice = MeanSquaredError().choices(seen, held_out)[0 if symmetric else 1]
    found = errors([(chosen.low, chosen.high), *candidates(seen, symmetric)], symmetric)
    found = np.maximum(found, SMALLEST_SHARE)
    return float(found[0] / found[1:].min())


def of_histogram(fresh: Histogram) -> Errors:
    """Errors from counts: as good as from the values themselves, which a test holds, and there are millions of them."""
    error = GridError(fresh)

    def errors(ranges: Sequence[Ends], symmetric: bool) -> NDArray[np.float64]:
        lows, highs = np.array(ranges).T
        found = error.symmetric(np.maximum(-lows, highs)) if symmetric else error.asymmetric(lows, highs)
        return np.asarray(found / (error.power or 1.0))

    return errors


def of_distributions(count: int, values: int = SAMPLES) -> Iterator[dict[str, Any]]:
    """A row per random distribution, of `values` an image, and grid."""
    for seed in track(list(range(count)), "distributions"):
        distribution = Distribution(seed, values)
        seen, held_out, fresh = (Histogram() for _ in range(3))
        for stream, (histogram, images) in enumerate(((seen, IMAGES), (held_out, HELD_OUT), (fresh, FRESH))):
            histogram.add(distribution.sample(stream, images))
        errors = of_histogram(fresh)
        for grid in GRIDS:
            found = ratio(seen, held_out, errors, grid == "symmetric")
            tensor = f"{distribution.kind}, seed {seed}"
            yield {"source": "distributions", "tensor": tensor, "grid": grid, "ratio": found}


def of_models(models: dict[str, Path], prepared: Prepared) -> Iterator[dict[str, Any]]:
    """A row per observed tensor of each model and grid."""
    images, chosen = prepared.split("train").images, prepared.calibration_indices(IMAGES)
    rest = np.setdiff1d(np.arange(len(images)), [*chosen, *prepared.manifest.duplicates.train_indices])
    others = np.random.default_rng(0).permutation(rest)[: HELD_OUT + FRESH]
    parts = [chosen, np.sort(others[:HELD_OUT]), np.sort(others[HELD_OUT:])]
    for name, path in models.items():
        model = onnx.load(path)
        names = observed_tensors(model)
        seen, held_out, fresh = (histograms(model, names, in_batches(images, part, 32)) for part in parts)
        for tensor in names:
            errors = of_histogram(fresh[tensor])
            for grid in GRIDS:
                found = ratio(seen[tensor], held_out[tensor], errors, grid == "symmetric")
                yield {"source": name, "tensor": tensor, "grid": grid, "ratio": found}


def targets(rows: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """Each target in words, and whether it was met: over all tensors, of networks and of distributions."""
    met = {}
    for grid in GRIDS:
        ratios = np.array([row["ratio"] for row in rows if row["grid"] == grid])
        close, worst = (float((ratios <= CLOSE).mean()), float(ratios.max())) if ratios.size else (0.0, np.inf)
        where = f"{ratios.size} tensors, {grid} grid"
        met[f"{where}: {100 * close:.1f} % within {CLOSE}, at least {100 * MOST:g} %"] = close >= MOST
        met[f"{where}: the worst is {worst:.2f}, at most {FAR:g}"] = worst <= FAR
    return met


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: how far the default is from the best candidate."""
    lines = [
        f"| tensors | grid | number | within {CLOSE} | mean | worst |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for kind in ("networks", "distributions"):
        for grid in GRIDS:
            found = _ratios(rows, kind, grid)
            if found.size:
                mean = float(np.exp(np.log(found).mean()))
                share = 100 * float((found <= CLOSE).mean())
                lines.append(f"| {kind} | {grid} | {found.size} | {share:.1f} % | {mean:.3f} | {found.max():.2f} |")
    return "\n".join(lines)


def _ratios(rows: Sequence[dict[str, Any]], kind: str, grid: str) -> NDArray[np.float64]:
    random = kind == "distributions"
    return np.array(
        [row["ratio"] for row in rows if row["grid"] == grid and (row["source"] == "distributions") == random]
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, print, check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distributions", type=int, default=1000)
    parser.add_argument("--values", type=int, default=SAMPLES, help="of each image, in a random distribution")
    parser.add_argument("--prepared", type=Path, help="the prepare stage's directory")
    parser.add_argument("--models", nargs="+", metavar="NAME=PATH", default=[], help="FP32 ONNX models")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--out", type=Path, help="write the JSON there")
    parser.add_argument("--document", type=Path, help="put the table there")
    chosen = parser.parse_args(arguments)
    models = {name: Path(path) for name, _, path in (entry.partition("=") for entry in chosen.models)}
    if models and not chosen.prepared:
        parser.error("--models needs --prepared")
    rows = list(of_distributions(chosen.distributions, chosen.values))
    rows += of_models(models, Prepared(chosen.prepared)) if models else []
    met = targets(rows)
    print(table(rows))
    for row in sorted(rows, key=lambda row: -row["ratio"])[:10]:
        print(f"{row['ratio']:.3f}  {row['source']}, {row['tensor']}, {row['grid']}", file=sys.stderr)
    if chosen.out:
        result = {
            "platform": as_json(fingerprint()),
            "images": IMAGES,
            "held_out": HELD_OUT,
            "values": chosen.values,
            "fresh": FRESH,
            "targets": met,
            "rows": rows,
        }
        write_text(chosen.out, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if chosen.document:
        replace_block(chosen.document, "choice", table(rows))
    missed = [name for name, good in met.items() if not good]
    for name in missed:
        print(f"missed: {name}", file=sys.stderr)
    return 1 if chosen.check and missed else 0
