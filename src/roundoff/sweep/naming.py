"""An experiment's name, from its settings: the same settings on the same sources have the same name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from roundoff.revisions.lock import LOCK, read_lock

LONGEST = 48  # of the part that is read; what tells names apart comes after it
NOT_ALLOWED = re.compile(r"[^A-Za-z0-9.=]+")  # git's rules for refs allow more, but not everywhere
ELSEWHERE = re.compile(r"^/|^(?:\./)*\.\.(?:/|$)|://|^$")  # an output outside of the project
DOTS = re.compile(r"\.{2,}")  # a range of commits, to git


def experiment_name(settings: Sequence[str], changes: bytes) -> str:
    """A name such as `model-resnet20_calibrate-mse_1f3a9c04`, of the settings and the workspace's changes of sources.

    It ends with hexadecimal digits, so that it never ends with what git refuses (`.`, `.lock`).
    """
    words = [_word(setting) for setting in settings]
    digest = hashlib.sha256("\0".join(sorted(settings)).encode() + b"\0" + changes).hexdigest()[:8]
    readable = "_".join(words)[:LONGEST].strip("-_.") or "default"
    return f"{readable}_{digest}"


def _word(setting: str) -> str:
    key, _, value = setting.partition("=")
    allowed = NOT_ALLOWED.sub("-", f"{key.rpartition('.')[2]}-{value}").replace("=", "-")
    return DOTS.sub(".", allowed).strip("-.")


def outputs_of(project: Path, metrics: str) -> list[str]:
    """What the pipeline writes into the workspace, by git's pathspecs: no source, so that a run renames nothing.

    DVC lists it in dvc.lock, and writes that and .gitignore itself. Raises DataError where dvc.lock cannot be read.
    """
    stages = (read_lock(project, None).stages or {}).values()
    listed = (out.path for stage in stages if stage for out in stage.outs)
    inside = (path for path in listed if not ELSEWHERE.search(path))
    return [*(f":(literal){path}" for path in sorted({LOCK, metrics, *inside})), ":(glob,top)**/.gitignore"]
