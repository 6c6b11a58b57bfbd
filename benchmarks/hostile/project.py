"""A small run whose files are tampered with: every stage, on the built-in digits, in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import ROOT
from benchmarks.process import ran
from benchmarks.quick import FEW_IMAGES, TIMING
from roundoff.system.files import write_text

SETTINGS = (
    "model.width=8",
    "train.epochs=1",
    *FEW_IMAGES,
    "export.parity_images=32",
    "backend=[onnxruntime,litert]",
    "precision=[fp32,fp16,int8,bf16]",
    "backends.onnxruntime.threads=1",
    "backends.litert.threads=1",
    "evaluate.batch_sizes=[1,4]",
    *TIMING,
    "evaluate.chance_margin=0.0001",
    "evaluate.lock_directory=build/locks",
)
BUILDS = tuple(f"build build.precision={name}" for name in ("fp32", "fp16", "int8", "bf16"))
STAGES = ("probe", "prepare", "train", "export", "calibrate", *BUILDS, "evaluate", "report")
DONE = "done.txt"


def made(folder: Path) -> Path:
    """The folder of a finished small run, which is made where it is not there; about a minute and a half."""
    if not (folder / DONE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_params(folder)
        for stage in STAGES:
            run_stage(folder, *stage.split())
        write_text(folder / DONE, "done\n")
    return folder


def write_params(folder: Path, overrides: Sequence[str] = ()) -> None:
    """Compose params.yaml there: the small run's settings, then `overrides`."""
    from dvc.utils.hydra import compose_and_dump

    target, root = folder / "params.yaml", str(ROOT)
    compose_and_dump(target, str(ROOT / "conf"), None, "config", root, [*SETTINGS, *overrides])


def run_stage(folder: Path, name: str, *more: str) -> None:
    """Run one stage there as DVC does; raises RuntimeError with its last words."""
    (folder / "build" / "locks").mkdir(parents=True, exist_ok=True)
    done = ran(str(ROOT / "stages" / f"{name}.py"), "-cn", "frozen", *more, folder=folder)
    if done.code:
        raise RuntimeError(f"{name}: exit code {done.code}: {done.errors[-2000:]}")
