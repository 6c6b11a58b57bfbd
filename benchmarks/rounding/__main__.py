"""How often a rounded figure of summary.json differs between two runs: `python -m benchmarks.rounding [REVISION ...]`.

Every measured cell and batch size of each revision is compared with the same of each other one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from roundoff.results.cell import Batch
from roundoff.revisions.revision import snapshot
from roundoff.verdict.ranking import SESSION_DRIFT
from roundoff.verdict.summary import STEADY_DRIFT, rounded_figure

QUIET = ("d5a4b50", "4fbf4d7", "cfaf261", "e54f98a", "a0c1ea3", "4b550cd", "a59ada7")
"""Runs of the default job on two quiet CPU cores."""
FIGURES = {"time": ("end_to_end_p50", "ms", SESSION_DRIFT), "speed-up": ("end_to_end_speedup", "", STEADY_DRIFT)}
Batches = dict[tuple[str, int], Batch]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the share of pairs that differ, of times and of speed-ups other than FP32's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rounding", description=__doc__)
    parser.add_argument("revisions", nargs="*", default=QUIET, help="default: %(default)s")
    runs = [batches(revision) for revision in parser.parse_args(arguments).revisions]
    for name, (figure, unit, drift) in FIGURES.items():
        rounded = moved(runs, figure, unit, drift)
        digits = moved(runs, figure, unit, None)
        print(f"{name}: {rounded:.0%} of the pairs differ, {digits:.0%} with two digits")


def batches(revision: str) -> Batches:
    """The batches of a revision by cell and size."""
    cells = snapshot(Path(__file__).parents[2], "metrics", revision).cells
    return {(name, size): batch for name, cell in cells.items() for size, batch in cell.timed_batches.items()}


def moved(runs: Sequence[Batches], figure: str, unit: str, drift: float | None) -> float:
    """The share of pairs of runs and cells whose figures differ, rounded by `drift`, or (None) to two digits."""
    pairs = [
        (told(a[key], figure, unit, drift), told(b[key], figure, unit, drift))
        for a, b in combinations(runs, 2)
        for key in a.keys() & b.keys()
        if unit or not key[0].startswith("fp32/")
    ]
    return sum(one != other for one, other in pairs) / len(pairs)


def told(batch: Batch, figure: str, unit: str, drift: float | None) -> float | None:
    """A figure as a summary has it, or to two digits."""
    if drift is not None:
        return rounded_figure(batch, figure, unit, drift)
    value = getattr(batch, f"{figure}_{unit}" if unit else figure)
    return None if value is None else float(f"{value:.2g}")


if __name__ == "__main__":
    main()
