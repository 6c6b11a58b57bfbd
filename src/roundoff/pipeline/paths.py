"""The paths that a run writes to, checked before any work: none of them may cost what roundoff did not write."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import permutations
from pathlib import Path

import yaml

from roundoff.errors import ConfigError
from roundoff.system import own
from roundoff.system.git import git
from roundoff.system.plain_files import read_plain


@dataclass(frozen=True)
class Paths:
    """Every output: a file whose name ends as here, or a folder. Relative to the project's root, or absolute."""

    platform: str = "platform.json"
    prepared: str = "data/prepared"
    slices: str = "data/slices.csv"
    predictions: str = "data/predictions"
    timings: str = "data/timings"
    trained: str = "models/trained"
    onnx: str = "models/onnx/model.onnx"
    tflite: str = "models/tflite"
    calibration: str = "models/calibration/table.json"
    calibration_cache: str = "models/calibration/calibration.cache"
    mixed: str = "models/mixed"
    engines: str = "models/engines"
    curves: str = "metrics/curves.csv"
    live: str = "metrics/live"
    noise: str = "metrics/noise.csv"
    layers: str = "metrics/layers.csv"
    sensitivity: str = "metrics/sensitivity.csv"
    metrics: str = "metrics"
    plots: str = "metrics/plots"
    checked: str = "build/checked.txt"
    logs: str = "build/logs"


FOLDERS: Mapping[str, own.Names] = {
    "prepared": own.prepared,
    "trained": own.trained,
    "tflite": own.tflite,
    "predictions": own.predictions,
    "timings": own.timings,
    "mixed": own.mixed,
    "engines": own.engines,
    "live": own.live,
    "metrics": own.metrics,
    "plots": own.plots,
    "logs": own.logs,
}
FILE_BY_FILE = ("metrics", "mixed", "logs")
# how a file that roundoff wrote begins; an ONNX graph may come from elsewhere
HEADS = {
    "checked": b"checked",
    "platform": b'{\n  "id"',
    "calibration": b'{\n  "format"',
    "calibration_cache": b"TRT-",
    "curves": b"epoch,",
    "noise": b"tensor,",
    "layers": b"backend,",
    "sensitivity": b"source,",
    "slices": b"test_image",
}
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where there is one: six times as fast
DEFAULTS = {field.name: str(field.default) for field in fields(Paths)}


def check_paths(paths: Mapping[str, object], root: Path, outputs: Path | None = None) -> None:
    """Refuse the section `paths` unless every output may be written; raises ConfigError, which names the key.

    `root` is the project's, `outputs` the folder that relative paths start from, where it is another (a stage run by
    hand). An output that exists has to be roundoff's own: a folder of its names alone, a file of the right kind; and
    git must not track it, unless it is an output by default or dvc.lock lists it.
    """
    named = {key: _text(key, value) for key, value in paths.items()}
    _check_keys(named)
    places = {key: _place(key, text, outputs or root) for key, text in named.items()}
    for key, place in places.items():
        _refuse_protected(key, place, root.resolve(), (outputs or root).resolve())
        _refuse_unwritable(key, place)
    _refuse_overlap(places, named)
    tracked = _foreign_tracked(root)
    for key, place in places.items():
        _refuse_tracked(key, place, tracked)
        _refuse_others(key, place, places, (outputs or root) / DEFAULTS[key])


def _text(key: str, value: object) -> str:
    readable = isinstance(value, str) and value.isprintable() and Path(value).name.strip() not in ("", "..")
    if not isinstance(value, str) or not readable or value.startswith("~") or "://" in value:
        raise _refusal(key, repr(value), "a path relative to the project's root or an absolute one, ending in a name")
    return value


def _check_keys(named: Mapping[str, str]) -> None:
    if set(named) != set(DEFAULTS):
        wrong = sorted(set(named) ^ set(DEFAULTS))
        raise ConfigError(
            f"{'unknown' if wrong[0] in named else 'missing'} key paths.{wrong[0]}",
            received=", ".join(named),
            expected=", ".join(DEFAULTS),
            fix=f"{'remove' if wrong[0] in named else 'add'} paths.{wrong[0]}, or run `make params`",
        )


def _place(key: str, text: str, base: Path) -> Path:
    """The output's resolved place."""
    suffix = Path(DEFAULTS[key]).suffix
    if key not in FOLDERS and Path(text).suffix != suffix:
        raise _refusal(key, text, f"the path of a file whose name ends in {suffix}")
    try:
        place = (base / text).resolve()
        exists, is_dir = place.exists(), place.is_dir()
    except (OSError, RuntimeError) as error:  # a name too long; links in a circle
        raise _refusal(key, f"{text} ({error})", "a path that the file system knows") from None
    if exists and is_dir != (key in FOLDERS):
        raise _refusal(key, f"{text}, a {'folder' if is_dir else 'file'}", "a folder" if key in FOLDERS else "a file")
    return place


def _refuse_protected(key: str, place: Path, root: Path, outputs: Path) -> None:
    if root.is_relative_to(place) or outputs.is_relative_to(place):
        raise _refusal(key, place, "a place below the project's root or elsewhere, neither the root nor above it")
    inside = place.relative_to(root).parts if place.is_relative_to(root) else place.parts
    if ".git" in inside or inside[0] == ".dvc":
        raise _refusal(key, place, "a place outside of .git and .dvc")


def _refuse_unwritable(key: str, place: Path) -> None:
    above = next(folder for folder in place.parents if os.path.lexists(folder))
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise _refusal(key, place, f"a place that can be written; {above} is no folder, or not writable")


def _refuse_overlap(places: Mapping[str, Path], named: Mapping[str, str]) -> None:
    """No output may lie at or in another; the folder of metrics alone may hold others, beside its own files."""
    for (key, place), (other, outer) in permutations(places.items(), 2):
        if not place.is_relative_to(outer):
            continue
        if other != "metrics" or place == outer or own.is_of_a_stage(place.relative_to(outer)):
            changed, stays = (other, key) if named[key] == DEFAULTS[key] else (key, other)
            raise _refusal(changed, places[changed], f"a place apart from paths.{stays} ({places[stays]})")


def _refuse_tracked(key: str, place: Path, tracked: Mapping[str, str]) -> None:
    if path := tracked.get(str(place)):
        raise _refusal(key, place, f"an output that git does not track; it tracks {path}")


def _refuse_others(key: str, place: Path, places: Mapping[str, Path], default: Path) -> None:
    # what else lies in the usual folder is in no danger where files are written one by one
    if key in FILE_BY_FILE and place == default.resolve():
        return
    if key in FOLDERS:
        other = own.foreign(place, lambda folder: [*FOLDERS[key](folder), *_nested(place, places)])
        if other is not None:
            raise _refusal(
                key, f"{place}, which holds {other}", "an empty folder, or one of roundoff's own files alone"
            )
    elif place.exists():
        _refuse_other_file(key, place)


def _nested(outer: Path, places: Mapping[str, Path]) -> Iterator[str]:
    """Patterns of the outputs that lie in the folder of metrics."""
    for key, place in places.items():
        if place != outer and place.is_relative_to(outer):
            inside = glob.escape(str(place.relative_to(outer)))
            yield from [f"{inside}/{name}" for name in FOLDERS[key](place)] if key in FOLDERS else [inside]


def _refuse_other_file(key: str, place: Path) -> None:
    start = read_plain(place, len(HEADS.get(key, b"")))
    if start and start != HEADS[key]:
        raise _refusal(key, f"{place}, which begins with {start!r}", "a file that roundoff wrote, or none")


def _foreign_tracked(root: Path) -> dict[str, str]:
    """Files that git tracks under `root`, each by its own path and by its folders', the first of each folder.

    The default outputs and those that dvc.lock lists are left out. Strings, since there are thousands.
    """
    try:
        listed = git(root, "ls-files", "-z", "--cached").stdout  # nothing outside a repository
    except OSError:  # no git
        return {}
    at = str(root.resolve())
    outputs = {os.path.join(at, path) for path in (*DEFAULTS.values(), *_locked(root))}  # noqa: PTH118
    tracked: dict[str, str] = {}
    for name in filter(None, listed.split("\0")):
        path = f"{at}/{name}"
        folders = list(_upwards(path, at))
        if not name.endswith(".gitignore") and outputs.isdisjoint(folders):
            for folder in folders:
                tracked.setdefault(folder, path)
    return tracked


def _upwards(path: str, top: str) -> Iterator[str]:
    """The path and the folders above it, below `top`."""
    while len(path) > len(top):
        yield path
        path = path.rpartition("/")[0]


def _locked(root: Path) -> Iterator[str]:
    """The paths of outputs that dvc.lock lists; none where it cannot be read, which DVC itself says."""
    try:
        stages = yaml.load(read_plain(root / "dvc.lock"), LOADER)["stages"].values()
        yield from [str(out["path"]) for stage in stages for out in stage.get("outs", [])]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError):
        return


def _refusal(key: str, received: object, expected: str) -> ConfigError:
    return ConfigError(
        f"paths.{key} cannot be an output", received=received, expected=expected, fix=f"set paths.{key} to another path"
    )
