"""What the kills are to show, and the table that the documentation has of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.kill.trial import KINDS, STAGES

Result = dict[str, Any]
LEAST_PER_STAGE = 15


def targets(result: Result) -> dict[str, bool]:
    """Each target in words, and whether it was met."""
    rows = result["rows"]
    stuck = [str(row["number"]) for row in rows if row["wrong"]]
    few = [stage for stage in STAGES if len(_of(rows, stage)) < LEAST_PER_STAGE]
    kinds = all(_of(rows, stage, kind) for stage in STAGES for kind in KINDS)
    return {
        f"{result['planned']} kills (are: {len(rows)})": len(rows) >= result["planned"],
        f"each stage at least {LEAST_PER_STAGE} times, by both kinds (fewer: {', '.join(few) or 'none'})": kinds
        and not few,
        f"all are survived (not: {', '.join(stuck) or 'none'})": not stuck,
    }


def table(result: Result) -> str:
    """Markdown: a row for each stage."""
    rows = result["rows"]
    lines = [
        "| stage | whole tree | DVC alone | survived | mended | outlived DVC by at most (s) |",
        "|---|---:|---:|---:|---:|---:|",
        *(_line(stage, _of(rows, stage)) for stage in STAGES),
        _line("any moment of the command", [row for row in rows if row["anywhere"]]),
        _line("**all**", rows),
    ]
    wrong = [f"- {row['number']} ({row['stage']}, {row['kind']}): {'; '.join(row['wrong'])}" for row in _wrong(rows)]
    commits = [f"{count} on {commit}" for commit, count in Counter(row["commit"] for row in rows).items()]
    lines += ["", f"Tried on these commits: {', '.join(commits)}."]
    if len(rows) < result["planned"]:
        lines += ["", f"{len(rows)} of {result['planned']} kills so far."]
    return "\n".join([*lines, *(["", "Not survived:", "", *wrong] if wrong else [])])


def _of(rows: list[Result], stage: str, kind: str | None = None) -> list[Result]:
    chosen = [row for row in rows if row["stage"] == stage and not row["anywhere"]]
    return [row for row in chosen if kind in (None, row["kind"])]


def _wrong(rows: list[Result]) -> list[Result]:
    return [row for row in rows if row["wrong"]]


def _line(name: str, rows: list[Result]) -> str:
    kinds = [sum(row["kind"] == kind for row in rows) for kind in KINDS]
    outlived = max((row["outlived_s"] or 0.0 for row in rows), default=0.0)
    survived = f"{len(rows) - len(_wrong(rows))} of {len(rows)}"
    mended = sum(bool(row["mended"]) for row in rows)
    return f"| {name} | {kinds[0]} | {kinds[1]} | {survived} | {mended} | {outlived:.1f} |"
