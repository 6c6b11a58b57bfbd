"""One job at one size: every stage, one after the other, and what each took."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from benchmarks.commands import ROOT, environment
from benchmarks.scale.images import write_files
from benchmarks.scale.network import network
from benchmarks.scale.watching import watched
from roundoff.pipeline.running import IN_PLACE
from roundoff.system.lock_file import ELSEWHERE

PYTHON = (sys.executable, "-P", "-X", "utf8")
BUILDS = ("fp32", "fp16", "int8")
STAGES = ("prepare", "train", "export", "calibrate", *(f"build-{name}" for name in BUILDS), "evaluate", "report")
NOT_WATCHED = ("probe", "sensitivity", "layers")
"""What the stages read of these does not grow with the images."""
SETTINGS = (
    *("backend=[onnxruntime]", "model=onnx_file", "model.layout=nhwc", "model.check_preprocessing=false"),
    *("calibrate.images=128", "evaluate.batch_sizes=[1]", "verdict.batch_size=1", "evaluate.min_seconds=0.05"),
    *("evaluate.min_loads=6", "evaluate.rounds_per_load=1", "evaluate.budget_seconds=0.1", "evaluate.warmup_ms=1"),
    *("evaluate.energy_seconds=0.05", "evaluate.input_buffers=1"),
)


@dataclass(frozen=True)
class Case:
    """So many images of a size and number of classes; with `files`, each is a file, and prepare alone is run."""

    images: int
    size: int = 32
    classes: int = 10
    files: bool = False

    @property
    def name(self) -> str:
        """In words."""
        what = "files" if self.files else f"{self.classes:,} classes"
        return f"{self.images:,} images of {self.size} px, {what}"


def measured(case: Case) -> dict[str, Any]:
    """Its stages by name, and how large what is kept of its answers is; SystemExit where a stage fails."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir=os.environ.get("SCALE_FOLDER")) as place:
        folder = Path(place)
        onnx.save(network(case.size, case.classes, seed=0), folder / "given.onnx")
        if case.files:
            write_files(case.images, folder / "raw")
        stages = dict(_stages(case, folder))
        kept = sum(path.stat().st_size for path in folder.glob("data/predictions/*/*"))
        pairs = folder / "metrics/plots/confusion.csv"
        shutil.rmtree(folder / "data", ignore_errors=True)
        return {
            "name": case.name,
            "case": asdict(case),
            "stages": stages,
            "predictions_bytes": kept,
            "confusion_bytes": pairs.stat().st_size if pairs.exists() else 0,
        }


def _stages(case: Case, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    wanted = STAGES[:1] if case.files else STAGES
    for stage in ("probe", *wanted):
        if stage == "calibrate":
            yield from _run(case, folder, "calibrate")
            _ = dict(_run(case, folder, "sensitivity"))
        elif stage == "evaluate":
            _ = dict(_run(case, folder, "layers"))
            yield from _run(case, folder, "evaluate")
        elif stage in NOT_WATCHED:
            _ = dict(_run(case, folder, stage))
        else:
            yield from _run(case, folder, stage)


def _run(case: Case, folder: Path, stage: str) -> Iterator[tuple[str, dict[str, Any]]]:
    script, _, precision = stage.partition("-")
    chosen = [f"build.precision={precision}"] if precision else []
    command = [*PYTHON, str(ROOT / f"stages/{script}.py"), *chosen, *_settings(case, folder), *IN_PLACE]
    found = watched(command, folder, environment(**{ELSEWHERE: str(folder)}))
    if found.code:
        raise SystemExit(f"error: {case.name}: {stage} ended with exit code {found.code}\n{found.words}")
    figures = asdict(found)
    yield stage, {name: figures[name] for name in ("wall_s", "processor_s", "anonymous_mb")}


def _settings(case: Case, folder: Path) -> list[str]:
    own = [f"model.path={folder / 'given.onnx'}", *SETTINGS]
    if case.files:
        return [*own, "dataset=image_folder", f"dataset.path={folder / 'raw'}"]
    chosen = {"images": case.images, "size": case.size, "classes": case.classes}
    return [
        *own,
        f"hydra.searchpath=[file://{Path(__file__).parent / 'conf'}]",
        "dataset=synthetic",
        *(f"dataset.{name}={value}" for name, value in chosen.items()),
    ]
