"""One model's engines, and the stage evaluate over them under some of the GPUs: its figures and its wall time."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT, environment
from benchmarks.gpu.harness import VISIBLE
from roundoff.pipeline.running import IN_PLACE
from roundoff.results.metrics import read_metrics

PYTHON = (sys.executable, "-P", "-X", "utf8")
PRECISIONS = ("fp32", "fp16")
SETTINGS = ("evaluate.batch_sizes=[1,32,1024,8192]", "verdict.batch_size=32")
WARM = (
    *("evaluate.min_seconds=0.1", "evaluate.min_loads=6", "evaluate.rounds_per_load=1"),
    *("evaluate.budget_seconds=0.1", "evaluate.energy_seconds=0.1"),
)


@dataclass(frozen=True)
class Job:
    """A model in a folder of its own, and the settings of its stages."""

    name: str
    onnx: Path
    images: Path
    folder: Path
    settings: tuple[str, ...]

    def build(self) -> None:
        """Lay out the folder, read the machine and build the engines; SystemExit where that fails."""
        (self.folder / "models/onnx").mkdir(parents=True, exist_ok=True)
        (self.folder / "data").mkdir(exist_ok=True)
        shutil.copy(self.onnx, self.folder / "models/onnx/model.onnx")
        prepared = self.folder / "data/prepared"
        prepared.unlink(missing_ok=True)
        prepared.symlink_to(self.images.resolve())
        self._run("-m", "roundoff.cli", "run", "probe", *(f"build-{each}" for each in PRECISIONS), *self.settings)

    def evaluated(self, gpus: Sequence[str]) -> dict[str, Any]:
        """The wall time of the stage, start included, and its cells' figures; kernels were compiled by a run before."""
        shown = {VISIBLE: ",".join(gpus)}
        self._run(str(ROOT / "stages/evaluate.py"), *self.settings, *WARM, *IN_PLACE, **shown)
        started = time.perf_counter()
        self._run(str(ROOT / "stages/evaluate.py"), *self.settings, *IN_PLACE, **shown)
        return {"wall_s": time.perf_counter() - started, **figures(self.folder / "metrics")}

    def _run(self, *arguments: str, **more: str) -> None:
        command = [*PYTHON, *arguments]
        ended = subprocess.run(command, cwd=self.folder, env=environment(**more), stdout=sys.stderr, check=False)
        if ended.returncode:
            raise SystemExit(f"error: {self.name}: exit code {ended.returncode} of {shlex.join(command)}")


def figures(metrics: Path) -> dict[str, Any]:
    """Of an evaluation: the machine, its devices, and by cell how many answers are right and each batch's time."""
    found = read_metrics(metrics)
    cells = {
        name: {
            "status": cell.status,
            "reason": None if cell.reason is None else str(cell.reason),
            "samples": cell.accuracy.samples if cell.accuracy else None,
            "correct": cell.accuracy.correct if cell.accuracy else None,
            "device_ms": {str(size): batch.device_p50_ms for size, batch in cell.batches.items()},
        }
        for name, cell in found.cells.items()
    }
    waited_s = sum(device.waited_s or 0.0 for device in found.method.devices.values())
    return {"machine": found.platform.id, "devices": list(found.method.devices), "waited_s": waited_s, "cells": cells}


def backends() -> str:
    """The setting of what is evaluated: TensorRT-RTX, or what BACKENDS in the environment names."""
    return f"backend=[{os.environ.get('BACKENDS', 'tensorrt_rtx')}]"
