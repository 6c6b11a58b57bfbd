"""How good, how fast and how small is calibration, beside ONNX Runtime's and NVIDIA Model Optimizer's?

    python -m benchmarks.calibration peers --prepared data/prepared --models resnet8=models/onnx/model.onnx
        [NAME=PATH ...] [--strongest NAME ...] [--seeds 3] [--images 320] [--test-images 10000] [--recipes NAMES]
        [--runtimes onnxruntime,openvino] [--parts accuracy,cost] [--jobs 1] [--check] [--out FILE]
    python -m benchmarks.calibration peers --table FILE [--document docs/calibration.md --block peers]

Accuracy: every recipe quantizes every model from the same seeded, stratified training images onto TensorRT's grid
(int8, symmetric, weights per channel); the graphs run in ONNX Runtime and in OpenVINO's CPU runtime. Recipes take
turns, seed by seed; on the models named by --strongest only roundoff's default and `best` and the strongest peers run.
Rows are kept in FILE.rows as they are measured: a run that was cut short goes on from there, unless the sources of
calibration or precision have changed. --jobs shares the quantizations out among so many processes.
Cost: seconds and peak memory over the first model, each measurement in a process of its own, all of them in every
round. The clock runs from the FP32 file to the INT8 graph and leaves imports out; for a bare forward pass it covers
the file, the session and all batches. Ratios are the median of the rounds' own.
Peers come from the dependency group `peers`; one that is not installed is named under `not_run`. With --check, exits 1
and names each target of --parts that was missed and each peer that was not run; an unmeasured target counts as missed.
--table prints the tables of a result, or puts them into the document.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.calibration.measures import ENTROPY, PEER, RUNTIMES, Accuracy, measure_cost
from benchmarks.calibration.recipes import FLOOR, MODELOPT_RECIPES, RECIPES, default_recipe
from benchmarks.calibration.targets import agreements, tables, targets
from benchmarks.document import replace_block
from benchmarks.journal import collected, journal_of, kept
from roundoff.backend.fingerprint import fingerprint
from roundoff.results.checked import as_json
from roundoff.system.files import write_text

STRONGEST = (
    ENTROPY,
    "roundoff best",
    "onnxruntime minmax",
    "onnxruntime percentile",
    "onnxruntime percentile, Conv and Add only",
    "onnxruntime percentile 99.99",
    "onnxruntime percentile 99.99, Conv and Add only",
    "modelopt entropy",
    "modelopt max",
)
COSTS = (FLOOR, ENTROPY, PEER, "onnxruntime minmax", "onnxruntime percentile 99.99", "modelopt entropy")
LIBRARIES = ("onnx", "onnxruntime", "openvino", "modelopt", "numpy")


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run the parts asked for; the result without its targets."""
    models = {name: Path(path) for name, _, path in (entry.partition("=") for entry in chosen.models)}
    missing = set() if find_spec("modelopt") else set(MODELOPT_RECIPES)
    runtimes = [runtime for runtime in chosen.runtimes.split(",") if find_spec(runtime)]
    recipes = {name: [one for one in _recipes(chosen, name) if one not in missing] for name in models}
    result: dict[str, Any] = {
        "platform": as_json(fingerprint()),
        "versions": {name: import_module(name).__version__ for name in LIBRARIES if find_spec(name)},
        "models": list(models),
        "seeds": chosen.seeds,
        "recipes": recipes,
        "default": default_recipe(),
        "parts": chosen.parts.split(","),
        "not_run": [*sorted(missing), *(runtime for runtime in RUNTIMES if runtime not in runtimes)],
    }
    if "accuracy" in chosen.parts:
        plan = Accuracy(chosen.prepared, recipes, runtimes, chosen.seeds, chosen.images, chosen.test_images)
        journal = journal_of(chosen.out)
        known = kept(journal)
        result["accuracy"] = collected(plan.run(models, known, chosen.jobs), known, journal)
        result["agreement"] = {
            f"{name} on {runtime}": agreements(result, name, runtime) for name in models for runtime in runtimes
        }
    if "cost" in chosen.parts:
        costs = [name for name in dict.fromkeys([*COSTS, default_recipe()]) if name not in missing]
        result["cost"] = measure_cost(next(iter(models.values())), chosen.prepared, costs)
    return result


def _recipes(chosen: argparse.Namespace, model: str) -> list[str]:
    if chosen.recipes:
        return str(chosen.recipes).split(";")
    return list(dict.fromkeys([default_recipe(), *STRONGEST]) if model in chosen.strongest else RECIPES)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, check; the exit code."""
    chosen = _parsed(arguments)
    if chosen.table:
        return _show(json.loads(chosen.table.read_text(encoding="utf-8")), chosen.document, chosen.block)
    result = measured(chosen)
    met = targets(result)
    result["targets"], result["missed"] = met, [name for name, good in met.items() if not good]
    text = json.dumps(result, indent=1, ensure_ascii=False)
    write_text(chosen.out, text + "\n") if chosen.out else print(text)
    missed = [*result["missed"], *(f"{name} was not run" for name in result["not_run"])]
    for name in missed:
        print(f"missed: {name}", file=sys.stderr)
    return 1 if chosen.check and missed else 0


def _show(result: dict[str, Any], document: Path | None, block: str) -> int:
    if document:
        replace_block(document, block, tables(result))
    else:
        print(tables(result))
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, help="the prepare stage's directory")
    parser.add_argument("--models", nargs="+", metavar="NAME=PATH", default=[], help="ONNX models; the first is timed")
    parser.add_argument("--strongest", nargs="+", metavar="NAME", default=[], help="models for the strongest recipes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--test-images", type=int, default=10_000)
    parser.add_argument("--recipes", help="names separated by semicolons, for every model")
    parser.add_argument("--runtimes", default=",".join(RUNTIMES), help="onnxruntime, openvino, or both")
    parser.add_argument("--parts", default="accuracy,cost", help="accuracy, cost, or both")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the accuracy part")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--out", type=Path, help="write the JSON there instead of printing it")
    parser.add_argument("--table", type=Path, metavar="FILE", help="show an earlier result's tables")
    parser.add_argument("--document", type=Path, help="put them there instead of printing them")
    parser.add_argument("--block", default="peers", help="the document's block that they go into")
    chosen = parser.parse_args(arguments)
    if not chosen.table and not (chosen.prepared and chosen.models):
        parser.error("--prepared and --models are needed to measure, or --table to show a result")
    if unknown := set(chosen.strongest) - {entry.partition("=")[0] for entry in chosen.models}:
        parser.error(f"--strongest names {sorted(unknown)}, which --models does not")
    return chosen
