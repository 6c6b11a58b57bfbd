"""Five networks at 224 × 224 with 1,000 classes, from Keras, through all stages on this machine:

    python -m benchmarks.large measure [--only NAME;NAME] [--check] [--out FILE] [--document docs/zoo.md]
    python -m benchmarks.large measure --read [--check] [--out FILE] [--document docs/zoo.md]

Each stage is a process of its own; told are its seconds and the peak of the summed PSS of it and its children. The
images are made first. A network is kept in FILE.rows as soon as it is done, and what FILE has is not measured again.
Prints JSON, puts the table into --document; with --check, exits 1 and names each target missed. --read judges what FILE
holds.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT
from benchmarks.journal import collected, journal_of, kept
from benchmarks.large.images import write_zip
from benchmarks.large.network import NETWORKS, SIZE
from benchmarks.large.targets import table, targets
from benchmarks.sources import sha256_of_sources
from benchmarks.targets import concluded
from benchmarks.zoo.networks import Network
from benchmarks.zoo.pipeline import Run, StageError
from benchmarks.zoo.row import cells, parity, speed
from benchmarks.zoo.slots import Slots
from roundoff.results.metrics import read_metrics
from roundoff.system.files import read_json

CLASSES, TRAIN, TEST = 1000, 3, 1
"""Classes, and images of each in the two splits."""
PRECISIONS = ("fp32", "fp16", "int8")
TIMING = {"batch_sizes": [1, 8], "min_seconds": 1.0, "min_loads": 6, "budget_seconds": 60.0}
ROOMS = ("backend", "calibration", "cells", "export", "graph", "measurement", "precision")
Row = dict[str, Any]


def rows(names: Sequence[str], work: Path, known: Sequence[Row], sources: str) -> Iterator[Row]:
    """One for each network; the known ones are not measured again."""
    archive = work / "images.zip"
    if not archive.exists():
        work.mkdir(parents=True, exist_ok=True)
        write_zip(archive, CLASSES, TRAIN, TEST)
    for name in names:
        case = {"network": name, "sources_sha256": sources}
        before = next((row for row in known if case.items() <= row.items() and "failed" not in row), None)
        yield before or case | measured(name, work / name, archive)


def measured(name: str, folder: Path, archive: Path) -> Row:
    """The seconds and memory of each stage, and what the cells found; of a stage that failed, its words."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    run = Run(Network(name, SIZE), folder, archive, Slots(1))
    try:
        _stages(run)
        found = {
            "weights_mb": (folder / "models" / "onnx" / "model.onnx").stat().st_size / 1e6,
            "parity": parity(folder),
            "top1": _top1(folder),
            "cells": {key: asdict(cell) for key, cell in cells(folder).items()},
            "speed": asdict(speed(folder)),
        }
    except StageError as error:
        found = {"failed": str(error)}
    shutil.rmtree(folder, ignore_errors=True)
    return found | {"costs": run.costs}


def _top1(folder: Path) -> float:
    found = read_metrics(folder / "metrics").cells["fp32/onnxruntime"].accuracy
    assert found, "evaluate ends without one"
    return found.top1


def _stages(run: Run) -> None:
    run.write_params(PRECISIONS, evaluate=TIMING)
    run.stage("prepare", "prepare")
    made = ["--prepared", "data/prepared", "--out", "network.keras"]
    run.ran("the network itself", ["-m", "benchmarks.large", "network", run.network.name, *made])
    for name in ("probe", "train", "export", "calibrate"):
        run.stage(name, name)
    for precision in PRECISIONS:
        run.stage(f"build {precision}", "build", f"build.precision={precision}")
    run.stage("evaluate", "evaluate")
    run.stage("report", "report")


def main(arguments: Sequence[str]) -> int:
    """Measure, print, check."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.large measure", description=__doc__, formatter_class=style)
    parser.add_argument("--only", default="", help="names of networks, by semicolons; all by default")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--read", action="store_true", help="measure nothing: judge what the file holds")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "large" / "cpu-2-cores.json")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "large", help="for what is made meanwhile")
    parser.add_argument("--document", type=Path, help="put the table there: docs/zoo.md")
    chosen = parser.parse_args(arguments)
    names = [name for name in chosen.only.split(";") if name] or list(NETWORKS)
    if unknown := set(names) - set(NETWORKS):
        parser.error(f"--only names {sorted(unknown)}; there are {'; '.join(NETWORKS)}")
    result = read_json(chosen.out) if chosen.read else _result(names, chosen)
    return concluded(chosen, result, targets(result), "large", table)


def _result(names: Sequence[str], chosen: argparse.Namespace) -> dict[str, Any]:
    from roundoff.backend.fingerprint import fingerprint
    from roundoff.results.checked import as_json

    journal = journal_of(chosen.out)
    known = kept(journal) + (read_json(chosen.out)["rows"] if chosen.out.exists() else [])
    own = [Path(__file__).with_name(f"{name}.py") for name in ("head", "images", "measure", "network")]
    found = rows(names, chosen.work.resolve(), known, sha256_of_sources(ROOMS, own))
    facts = {"platform": as_json(fingerprint()), "planned": list(names), "classes": CLASSES}
    return facts | {"rows": collected(found, known, journal)}
