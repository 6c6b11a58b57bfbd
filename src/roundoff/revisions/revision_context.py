"""What the verdicts and accuracies of a revision rest on: the target that was set, and the images that were tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Literal

from roundoff.results.verdict import CellVerdict, Requirements
from roundoff.revisions.lock import Lock, read_lock
from roundoff.revisions.revision import Snapshot

Part = Literal["target", "test set", "reference", "chance margin"]


@dataclass(frozen=True)
class RevisionContext:
    """None, or empty, where the revision does not record it.

    `test_set` is the test images' hash as the metrics have it, `prepared` DVC's hash of the prepared data that
    `evaluate` read, both splits of it. `failed` has the names of the criteria that failed, by cell. `reference` is the
    cell that the others were compared with, `chance_margin` how far above chance they had to be.
    """

    target: Requirements | None = None
    test_set: str | None = None
    prepared: str | None = None
    failed: Mapping[str, frozenset[str]] | None = None
    reference: str | None = None
    chance_margin: float | None = None

    def differs(self, other: RevisionContext) -> set[Part]:
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


def asked(target: Requirements) -> dict[str, object]:
    """The part of a target that verdicts depend on: what is set, and what that is measured at."""
    speed = target.latency_ms is not None or target.throughput_per_s is not None
    unused = {"speed_margin"} | (set() if speed else {"batch_size"})
    unused |= set() if target.latency_ms is not None else {"latency_percentile"}
    held = {each.name: getattr(target, each.name) for each in fields(target) if each.name not in unused}
    return {name: value for name, value in held.items() if value is not None}


def revision_context(project: Path, folder: str, snapshot: Snapshot) -> RevisionContext:
    """The context of the snapshot of `folder` of `project`."""
    method = snapshot.metrics.method
    return RevisionContext(
        target=snapshot.verdict.target,
        test_set=method.test_set,
        prepared=_prepared(read_lock(project, snapshot.commit), folder),
        failed={name: _failed(verdict) for name, verdict in snapshot.verdict.cells.items()},
        reference=snapshot.metrics.reference,
        chance_margin=method.chance_margin,
    )


def _failed(verdict: CellVerdict) -> frozenset[str]:
    return frozenset(criterion.name for criterion in verdict.criteria if criterion.verdict == "fail")


def _prepared(lock: Lock, folder: str) -> str | None:
    """DVC's hash of what `prepare` wrote and `evaluate` read, if it is `folder` that `evaluate` wrote to."""
    evaluate = lock.stage("evaluate")
    wrote = {str(PurePosixPath(out.path).parent) for out in evaluate.outs}
    prepared = {out.path for out in lock.stage("prepare").outs}
    hashes = [dep.md5 for dep in evaluate.deps if dep.path in prepared]
    return hashes[0] if hashes and str(PurePosixPath(folder)) in wrote else None
