"""What each method of choosing ranges and each rule of placing pairs gains, on training images.

    python -m benchmarks.calibration placement --prepared data/prepared --models NAME=PATH ...
        [--methods-only NAME ...] [--seeds 3] [--images 320] [--held-out 3000] --out FILE
    python -m benchmarks.calibration placement --table FILE [--document docs/calibration.md]

Per seed, --images stratified training images choose the ranges and --held-out other ones are classified, by ONNX
Runtime on TensorRT's grid: choices are made on these, never on the test split. Agreement is with FP32's top-1, the
error that of the logits, |int8 - fp32| / |fp32|. On models named by --methods-only the rules are left out.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import onnx

from benchmarks.calibration.measures import code_sha256, logits
from benchmarks.calibration.rules import COUNTING_ZEROS, RULES, Recipe
from benchmarks.document import replace_block
from roundoff.backend.fingerprint import fingerprint
from roundoff.calibration.base import Calibrator
from roundoff.calibration.best import Best
from roundoff.calibration.entropy import Entropy
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError
from roundoff.calibration.observing.choosing import choose_range
from roundoff.calibration.observing.histogram import BINS, Histogram
from roundoff.calibration.observing.observe import histograms, in_batches
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.calibration.percentile import Percentile
from roundoff.dataset.base import Images, Prepared
from roundoff.dataset.preparing.stratified import stratified_indices
from roundoff.graph.observed import observed_tensors
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.results.checked import as_json
from roundoff.system.files import write_text
from roundoff.system.progress import track

METHODS: dict[str, Calibrator] = {
    "`entropy`": Entropy(),
    "`percentile`, 99.999": Percentile(percentile=99.999),
    "`percentile`, 99.99": Percentile(),
    "`mse`": MeanSquaredError(),
    "`best`": Best(),
    "`minmax`": MinMax(),
}
SPARE = 128
"""Images by which `best` chooses; they are not among those that are classified."""


@dataclass(frozen=True)
class Study:
    """One model and seed: its histograms, and the images on which its INT8 versions are compared with FP32."""

    model: onnx.ModelProto
    seen: dict[str, Histogram]
    spare: dict[str, Histogram]
    images: Images

    def table(self, method: Calibrator) -> CalibrationTable:
        """The ranges that a method chooses."""
        ranges = {name: choose_range(method, self.seen[name], self.spare[name]) for name in self.seen}
        return CalibrationTable(ranges, Provenance(model_sha256=model_hash(self.model)))

    def counting_zeros(self) -> Study:
        """The same with exact zeros counted as ordinary values of the first bin."""
        seen = copy.deepcopy(self.seen)
        for histogram in seen.values():
            histogram.counts[BINS] += histogram.zeros
        return replace(self, seen=seen)


def rows(models: dict[str, Path], prepared: Prepared, chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row per model, seed, and method or rule."""
    for name, path in models.items():
        for seed in range(chosen.seeds):
            study = studied(onnx.load(path), prepared, seed, chosen.images, chosen.held_out)
            exact = logits("onnxruntime", study.model, study.images)
            cases = dict(versions(study, name not in chosen.methods_only))
            for (kind, words), made in track(list(cases.items()), f"{name}, seed {seed}"):
                found = logits("onnxruntime", made(), study.images)
                yield {
                    "model": name,
                    "seed": seed,
                    kind: words,
                    "images": len(study.images),
                    "agreement": float((found.argmax(1) == exact.argmax(1)).mean()),
                    "error": float(np.linalg.norm(found - exact) / np.linalg.norm(exact)),
                }


def studied(model: onnx.ModelProto, prepared: Prepared, seed: int, count: int, held_out: int) -> Study:
    """Observe `count` images, and `SPARE` others for `best`; hold out `held_out` further ones."""
    train = prepared.split("train")
    picked = stratified_indices(train.labels, count, seed)
    rest = np.setdiff1d(np.arange(len(train.labels)), [*picked, *prepared.manifest.duplicates.train_indices])
    others = np.random.default_rng(seed).permutation(rest)[: SPARE + held_out]
    names = observed_tensors(model)
    seen, spare = (histograms(model, names, in_batches(train.images, some, 32)) for some in (picked, others[:SPARE]))
    return Study(model, seen, spare, np.ascontiguousarray(train.images[np.sort(others[SPARE:])]))


def versions(study: Study, with_rules: bool) -> Iterator[tuple[tuple[str, str], Callable[[], onnx.ModelProto]]]:
    """INT8 versions of the model, made on demand, by kind (`method` or `rule`) and name."""
    for name, method in METHODS.items():
        yield ("method", name), partial(_by_method, study, method)
    for name, (_, recipe) in RULES.items() if with_rules else ():
        chosen = study.counting_zeros() if name == COUNTING_ZEROS else study
        yield ("rule", name), partial(_by_rule, study.model, chosen, recipe)


def _by_method(study: Study, method: Calibrator) -> onnx.ModelProto:
    return Int8().convert(study.model, Grid(), study.table(method))


def _by_rule(model: onnx.ModelProto, chosen: Study, recipe: Recipe) -> onnx.ModelProto:
    return recipe(model, chosen.table(Entropy()))


def method_table(result: dict[str, Any]) -> str:
    """Markdown: agreement and error by method and model, the smallest mean error first."""
    errors = {
        name: fmean(_mean(result, "method", name, model, "error") for model in result["models"]) for name in METHODS
    }
    lines = [
        _line("method", *result["models"], "mean error"),
        _line("---", *("---:" for _ in result["models"]), "---:"),
    ]
    for name in sorted(errors, key=lambda name: errors[name]):
        cells = (_cell(result, "method", name, model) for model in result["models"])
        lines.append(_line(name, *cells, f"{100 * errors[name]:.2f} %"))
    return "\n".join(lines)


def rule_table(result: dict[str, Any]) -> str:
    """Markdown: agreement and error by rule and model, with each rule's reason."""
    models = [
        model for model in result["models"] if any(row["model"] == model and "rule" in row for row in result["rows"])
    ]
    lines = [_line("rule or its opposite", "why", *models), _line("---", "---", *("---:" for _ in models))]
    for name, (reason, _) in RULES.items():
        lines.append(_line(name, reason, *(_cell(result, "rule", name, model) for model in models)))
    return "\n".join(lines)


def _mean(result: dict[str, Any], kind: str, name: str, model: str, key: str) -> float:
    return fmean(row[key] for row in result["rows"] if row["model"] == model and row.get(kind) == name)


def _cell(result: dict[str, Any], kind: str, name: str, model: str) -> str:
    agreement, error = (100 * _mean(result, kind, name, model, key) for key in ("agreement", "error"))
    return f"{agreement:.2f} %, {error:.2f} %"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str]) -> int:
    """Measure and write the result, or show an earlier one's tables."""
    chosen = _parsed(arguments)
    if chosen.table:
        result = json.loads(chosen.table.read_text(encoding="utf-8"))
        for block, table in (("methods", method_table(result)), ("rules", rule_table(result))):
            replace_block(chosen.document, block, table) if chosen.document else print(table, end="\n\n")
        return 0
    models = {name: Path(path) for name, _, path in (entry.partition("=") for entry in chosen.models)}
    result = {
        "platform": as_json(fingerprint()),
        "models": list(models),
        "model_sha256": {name: model_hash(onnx.load(path)) for name, path in models.items()},
        "code_sha256": code_sha256(),
        "seeds": chosen.seeds,
        "calibration_images": chosen.images,
        "rows": list(rows(models, Prepared(chosen.prepared), chosen)),
    }
    write_text(chosen.out, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, help="the prepare stage's directory")
    parser.add_argument("--models", nargs="+", metavar="NAME=PATH", default=[], help="FP32 ONNX models")
    parser.add_argument("--methods-only", nargs="+", metavar="NAME", default=[], help="models without the rules")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--held-out", type=int, default=3000)
    parser.add_argument("--out", type=Path, help="write the JSON there")
    parser.add_argument("--table", type=Path, metavar="FILE", help="show an earlier result's tables")
    parser.add_argument("--document", type=Path, help="put them there instead of printing them")
    chosen = parser.parse_args(arguments)
    if not chosen.table and not (chosen.prepared and chosen.models and chosen.out):
        parser.error("--prepared, --models and --out are needed to measure, or --table to show a result")
    return chosen
