"""Time and memory of every stage, from ten thousand images to a million:

    nice python -m benchmarks.scale [--check] [--quick] [--read] [--out FILE] [--document docs/scale.md]

Images are made as they are read; a tiny network knows their classes, so that none is trained. Time is that of the
processor, memory the most anonymous memory (RssAnon) of a stage's processes together: pages of mapped files are the
system's to drop. Further jobs: 1,000 classes, 224 px, and 100,000 files. Jobs are kept in FILE.rows as they are
measured; a run that was cut short goes on there. They lie in TMPDIR, or SCALE_FOLDER: the largest takes 4 GB. Prints
JSON; with --check, exits 1 and names each target that was missed. --quick takes a hundredth of the images (no
documents). --read judges what FILE holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.journal import Row, collected, journal_of, kept
from benchmarks.scale.job import Case, measured
from benchmarks.scale.targets import GROWING, OTHERS, table, targets
from benchmarks.targets import concluded
from roundoff.backend.fingerprint import fingerprint
from roundoff.results.checked import as_json
from roundoff.system.files import read_json

QUICK = 100
FEWEST = 600  # images, and two for each class


def main() -> int:
    """Measure, print, check; the exit code."""
    chosen = _arguments()
    result = read_json(chosen.out) if chosen.read else _measured(chosen)
    return concluded(chosen, result, targets(result), "scale", table)


def _measured(chosen: argparse.Namespace) -> dict[str, Any]:
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    known, journal = kept(journal_of(chosen.out)), journal_of(chosen.out)
    rows = collected(_rows([*GROWING, *OTHERS], known, chosen.quick), known, journal)
    return {"platform": as_json(fingerprint()), "quick": chosen.quick, "rows": rows}


def _rows(cases: list[Case], known: list[Row], quick: bool) -> Iterator[Row]:
    by_name = {row["name"]: row for row in known}
    for case in cases:
        small = replace(case, images=max(FEWEST, 2 * case.classes, case.images // QUICK)) if quick else case
        yield by_name[small.name] if small.name in by_name else measured(small)


def _arguments() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.scale", description=__doc__, formatter_class=style)
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the images")
    parser.add_argument("--read", action="store_true", help="measure nothing: judge FILE")
    parser.add_argument("--out", type=Path, default=Path("build/scale.json"))
    parser.add_argument("--document", type=Path, help="the document that gets the table")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
