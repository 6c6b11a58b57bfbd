"""What a million images may cost, and the table that the documentation has of it."""

from __future__ import annotations

from typing import Any

from benchmarks.scale.job import Case

Result = dict[str, Any]
GROWING = tuple(Case(images) for images in (10**4, 10**5, 10**6))
OTHERS = (Case(10**4, classes=1000), Case(3 * 10**3, size=224), Case(10**5, files=True))
MOST_SLOWER = 1.3
MOST_MEMORY = 1.2
UNSURE_S = 0.5
"""Of processor time between two runs of one stage on one input."""
MOST_BYTES = 40
"""An image and cell in what is kept of the answers: five classes, a margin, and room for heads and labels."""


def targets(result: Result) -> dict[str, bool]:
    """Each target in words, and whether it was met."""
    rows = {row["name"]: row for row in result["rows"]}
    missing = [case.name for case in (*GROWING, *OTHERS) if case.name not in rows]
    met = {f"every job has run (not: {'; '.join(missing) or 'none'})": not missing}
    known = [rows[case.name] for case in GROWING if case.name in rows]
    if len(known) == len(GROWING):
        met |= {name: good for stage in known[0]["stages"] for name, good in _growth(stage, known).items()}
    for row in result["rows"]:
        if row["predictions_bytes"]:
            each = bytes_each(row)
            words = f"an image's answers by a cell, at most {MOST_BYTES} bytes are kept (are: {each:.0f})"
            met[f"{row['name']}: {words}"] = each <= MOST_BYTES
    return met


def _growth(stage: str, rows: list[Result]) -> dict[str, bool]:
    few, _, most = (row["stages"][stage]["anonymous_mb"] for row in rows)
    ratio, memory = slower(stage, rows), most / few
    return {
        f"{stage}: an image at 10⁶ takes at most {MOST_SLOWER} × the time of one at 10⁵ (is {ratio:.2f})": ratio
        <= MOST_SLOWER,
        f"{stage}: memory at 10⁶ is at most {MOST_MEMORY} × that at 10⁴ (is {memory:.2f})": memory <= MOST_MEMORY,
    }


def slower(stage: str, rows: list[Result]) -> float:
    """Processor time of an image from the smallest to the largest job over that to the middle one.

    The fixed part, which the smallest has too, is taken out; a difference within UNSURE_S is taken for that.
    """
    few, more, most = (row["stages"][stage]["processor_s"] for row in rows)
    counts = [row["case"]["images"] for row in rows]
    to_most = max(most - few, 0.0) / (counts[2] - counts[0])
    return float(to_most / (max(more - few, UNSURE_S) / (counts[1] - counts[0])))


def bytes_each(row: Result) -> float:
    """What is kept of a test image's answers by one of three cells."""
    return float(row["predictions_bytes"] / (row["case"]["images"] // 2) / 3)


def table(result: Result) -> str:
    """Markdown: a row for each stage, a job a column."""
    rows = result["rows"]
    stages = list(dict.fromkeys(stage for row in rows for stage in row["stages"]))
    lines = [
        f"| stage | {' | '.join(row['name'] for row in rows)} |",
        f"|---|{'---:|' * len(rows)}",
        *(f"| {stage} | {' | '.join(_cell(row['stages'].get(stage)) for row in rows)} |" for stage in stages),
        f"| answers kept, MB | {' | '.join(_kept(row) for row in rows)} |",
    ]
    return "\n".join(lines)


def _cell(stage: Result | None) -> str:
    return "" if stage is None else f"{stage['processor_s']:.1f} s, {stage['anonymous_mb']:.0f} MB"


def _kept(row: Result) -> str:
    return f"{row['predictions_bytes'] / 1e6:.1f}" if row["predictions_bytes"] else ""
