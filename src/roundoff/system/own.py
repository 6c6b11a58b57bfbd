"""Which names in an output folder are roundoff's own: only a folder of nothing else may be replaced."""

from __future__ import annotations

import glob
import json
import os
import re
import stat
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from roundoff.errors import ConfigError
from roundoff.system.plain_files import read_plain
from roundoff.system.slots import MORE, STAGED

# What `files` puts before a name until all is written: .partial.PID-HERE-EIGHT_HEX_DIGITS. (before: without HERE-).
UNFINISHED = re.compile(r"\.partial\.(\d+)-(?:([0-9a-f]{8})-)?[0-9a-f]{8}\.")
# From a folder to the patterns of what its writer puts there, as paths relative to it; * does not cross a slash.
Names = Callable[[Path], Sequence[str]]

SIDECAR = "cell.json"
_STAGES = ("train", "export", "calibrate", "sensitivity", "build-*", "profile", *STAGED, MORE, "verdict", "summary")
METRICS = (*(f"{name}.json" for name in _STAGES), "report.md", "report.html", "slices.csv")
_BUILT = ("graph.onnx", "model.onnx", "model.tflite", "model.engine", "engine.json", "timing.cache", "build.log")
_CELL = (SIDECAR, *_BUILT, *(f"rebuilds/*/{name}" for name in _BUILT))


def prepared(_: Path) -> Sequence[str]:
    """What `prepare` writes."""
    return ("manifest.json", *(f"{split}_{kind}.npy" for split in ("train", "test") for kind in ("images", "labels")))


def trained(_: Path) -> Sequence[str]:
    """What `train` leaves: the model in its own form, and what it is."""
    inside = ("*.pb", "assets/*", "assets.extra/*", "variables/variables.*")
    return ("model.json", "model.keras", "model.onnx", *(f"saved_model/{name}" for name in inside))


def tflite(_: Path) -> Sequence[str]:
    """What `export` leaves for LiteRT: a float model, or why there is none."""
    return ("model.tflite", "model.json", "none.json")


def mixed(_: Path) -> Sequence[str]:
    """What `mix` has chosen, by precision, and the .gitignore that DVC puts beside it."""
    return (".gitignore", "*_mixed.json")


def predictions(folder: Path) -> Sequence[str]:
    """What `evaluate` writes of the answers; others keep arrays in folders, too, but not with these labels."""
    return ("labels.npy", "*/*.npy") if (folder / "labels.npy").is_file() else ()


def timings(_: Path) -> Sequence[str]:
    """What `evaluate` writes of the samples."""
    return ("*/*/batch_*.npz",)


def plots(_: Path) -> Sequence[str]:
    """What `report` draws."""
    of_model = ("confusion_*", "curves", "drop*", "flips*", "noise", "sensitivity")
    drawn = (*of_model, "latency_batch_*", "layers", "pareto_batch_*", "*_over_batches")
    return ("confusion*.csv", "speed.csv", *(f"{name}.png" for name in drawn))


def live(_: Path) -> Sequence[str]:
    """What `train` writes as DVCLive does."""
    return ("metrics.json", "plots/metrics/*.tsv", "plots/metrics/*/*.tsv")


def metrics(_: Path) -> Sequence[str]:
    """What all stages write into the folder of metrics, by default."""
    inside = {"plots": plots(Path()), "live": live(Path())}
    nested = (f"{folder}/{name}" for folder, names in inside.items() for name in names)
    return (*METRICS, "curves.csv", "noise.csv", "sensitivity.csv", "layers.csv", *nested)


def logs(_: Path) -> Sequence[str]:
    """What builds say, by precision and backend."""
    return ("*/*.log",)


def cell(folder: Path) -> Sequence[str]:
    """A built cell: what every backend of the package writes, and what the cell's own sidecar lists."""
    return (*_CELL, *(glob.escape(name) for name in _listed(folder / SIDECAR)))


def engines(folder: Path) -> Sequence[str]:
    """The cells under PRECISION/BACKEND/, and the .gitignore that DVC may put beside them."""
    cells = [path.parent for path in folder.glob(f"*/*/{SIDECAR}")]
    listed = [f"{glob.escape(f'{at.parent.name}/{at.name}')}/{name}" for at in cells for name in cell(at)]
    return (".gitignore", *(f"*/*/{name}" for name in _CELL), *listed)


def _listed(sidecar: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads(read_plain(sidecar))["files"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def refuse_foreign(path: Path, names: Names) -> None:
    """ConfigError unless `path` may be replaced by a folder: see `foreign`."""
    other = foreign(path, names)
    if other is not None and foreign(path, names) is not None:  # between two looks another writer may have replaced it
        raise ConfigError(
            f"{path} is not replaced: what is there did not come from this stage",
            received=other,
            expected="nothing there, an empty folder, or one that holds only what this stage writes",
            fix="choose another path, or move away what is there",
        )


def foreign(path: Path, names: Names) -> str | None:
    """What at `path` is not its writer's: the first entry that is none of `names`, or that it is a file; else None.

    A link counts as what it leads to; links inside count by their names. What a killed writer left is its own, too.
    """
    try:
        mode = path.stat().st_mode
    except OSError:  # nothing there, or a link that leads nowhere
        return None
    return first_foreign(path, names(path)) if stat.S_ISDIR(mode) else f"a file, {path.name}"


def require_folder_name(kind: str, name: str) -> None:
    """ConfigError unless `name`, of a backend or a precision, can name a folder and leads nowhere else."""
    if not re.fullmatch("[A-Za-z0-9_-]+", name):
        raise ConfigError(
            f"the name of a {kind} cannot name a folder",
            received=repr(name),
            expected="letters, digits, _ and - only",
            fix=f"rename that {kind}",
        )


def is_of_a_stage(file: Path) -> bool:
    """Whether a path relative to the folder of metrics is one of the stages' own files there."""
    return fits(file.parts[:1], METRICS)


def fits(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether a relative path, in parts, is of one of the patterns."""
    return any(len(parts) == pattern.count("/") + 1 and _begins(parts, pattern) for pattern in patterns)


def first_foreign(folder: Path, patterns: Sequence[str], above: tuple[str, ...] = ()) -> str | None:
    """The first entry at any depth that fits no pattern, relative to `folder`; None where all do.

    `above` is where `folder` itself lies, seen from where the patterns start.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:  # another process has replaced it
        return None
    except OSError:  # what cannot be read is nobody's to remove
        return "/".join(above) or "."
    for entry in entries:
        inside = (*above, entry.name)
        if UNFINISHED.match(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            deeper = [pattern for pattern in patterns if pattern.count("/") >= len(inside) and _begins(inside, pattern)]
            name = first_foreign(folder / entry.name, deeper, inside)
            if name is None and not deeper:
                name = "/".join(inside)  # an empty folder, of which nothing is known
        else:
            name = None if fits(inside, patterns) else "/".join(inside)
        if name is not None:
            return name
    return None


def _begins(parts: Sequence[str], pattern: str) -> bool:
    return all(fnmatchcase(part, wanted) for part, wanted in zip(parts, pattern.split("/"), strict=False))
