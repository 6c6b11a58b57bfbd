"""What the verdicts and accuracies of a revision rest on: the target that was set, and the images that were tested."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml

Part = Literal["target", "test set", "reference", "chance margin"]
LOCK = "dvc.lock"


@dataclass(frozen=True)
class Basis:
    """None, or empty, where the revision does not record it.

    `test_set` is the test images' hash as the metrics have it, `prepared` DVC's hash of the prepared data that
    `evaluate` read, both splits of it. `failed` has the names of the checks that failed, by cell. `reference` is the
    cell that the others were compared with, `chance_margin` how far above chance they had to be.
    """

    target: Mapping[str, Any] | None = None
    test_set: str | None = None
    prepared: str | None = None
    failed: Mapping[str, frozenset[str]] | None = None
    reference: str | None = None
    chance_margin: float | None = None

    def differs(self, other: Basis) -> set[Part]:
        """What is known to differ."""
        apart: set[Part] = set()
        if self.target is not None and other.target is not None and asked(self.target) != asked(other.target):
            apart.add("target")
        if None not in (self.reference, other.reference) and self.reference != other.reference:
            apart.add("reference")
        if None not in (self.chance_margin, other.chance_margin) and self.chance_margin != other.chance_margin:
            apart.add("chance margin")
        known = [
            pair for pair in ((self.test_set, other.test_set), (self.prepared, other.prepared)) if None not in pair
        ]
        if known and known[0][0] != known[0][1]:
            apart.add("test set")
        return apart


def asked(target: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a target that verdicts depend on: what is set, and what that is measured at."""
    speed = target.get("latency_ms") is not None or target.get("throughput_per_s") is not None
    unused = {"speed_margin"} | (set() if speed else {"batch_size"})
    unused |= set() if target.get("latency_ms") is not None else {"latency_percentile"}
    return {key: value for key, value in target.items() if value is not None and key not in unused}


def basis(project: Path, metrics: str, commit: str | None) -> Basis:
    """The basis of the folder `metrics` of `project` at a commit; None is the workspace."""
    verdict = _parsed(_text(project, f"{metrics}/verdict.json", commit))
    measured = _parsed(_text(project, f"{metrics}/fp32.json", commit))
    method = measured.get("method") or {}
    lock = _parsed(_text(project, LOCK, commit))
    return Basis(
        target=verdict.get("target"),
        test_set=method.get("test_set"),
        prepared=_prepared(lock, metrics),
        failed=_failed(verdict),
        reference=measured.get("reference"),
        chance_margin=(method.get("evaluate") or {}).get("chance_margin"),
    )


def _failed(verdict: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(check["name"] for check in cell.get("checks") or [] if check["verdict"] == "fail")
        for name, cell in (verdict.get("cells") or {}).items()
    }


def _prepared(lock: Mapping[str, Any], metrics: str) -> str | None:
    """DVC's hash of what `prepare` wrote and `evaluate` read, if it is `metrics` that `evaluate` wrote."""
    stages = lock.get("stages") or {}
    prepare, evaluate = (stages.get(name) or {} for name in ("prepare", "evaluate"))
    wrote = {str(PurePosixPath(out["path"]).parent) for out in evaluate.get("outs") or []}
    prepared = {out["path"] for out in prepare.get("outs") or []}
    hashes = [dep.get("md5") for dep in evaluate.get("deps") or [] if dep["path"] in prepared]
    return hashes[0] if hashes and str(PurePosixPath(metrics)) in wrote else None


def _text(project: Path, path: str, commit: str | None) -> str:
    """A file's content; empty where there is none."""
    if commit is None:
        file = project / path
        return file.read_text(encoding="utf-8") if file.is_file() else ""
    command = ["git", "-C", str(project), "show", f"{commit}:./{path}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return done.stdout if done.returncode == 0 else ""


def _parsed(text: str) -> Mapping[str, Any]:
    """A mapping from JSON or YAML; empty where the text is none."""
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError):
        return {}
    return found if isinstance(found, Mapping) else {}
