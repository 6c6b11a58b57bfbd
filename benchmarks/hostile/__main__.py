"""Give roundoff hostile files and settings, made by code, and count what becomes of each:

    nice python -m benchmarks.hostile [--check] [--read] [--quick] [--only FAMILY,FAMILY] [--out FILE]
        [--document docs/hostile.md] [--project FOLDER]

A case is refused in words (what, received, expected, fix), accepted rightly (as the untouched run), a traceback, or
wrong: accepted with other figures, or a file was lost. Readers are tried in process; the family `stages` runs whole
stages. The files are those of a small run, which is made first in FOLDER, where it is not there already. Each case is
kept in FILE.rows: a campaign that was cut short goes on from there, also family by family, as long as the sources are
the same. Prints JSON. With --check, exits 1 and names each target that was missed. --read judges what FILE holds.
--quick tries a twentieth, and keeps nothing. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT
from benchmarks.hostile.campaign import rows_of
from benchmarks.hostile.families import FAMILIES
from benchmarks.hostile.project import made
from benchmarks.hostile.targets import FAULTS, result_of, table, targets
from benchmarks.journal import Row, collected, journal_of, kept
from benchmarks.sources import sha256_of_sources
from benchmarks.targets import concluded
from roundoff.backend.fingerprint import fingerprint
from roundoff.results.checked import as_json
from roundoff.system.files import read_json


def main() -> int:
    """Try, print, check; the exit code."""
    chosen = _arguments()
    if chosen.quick:
        return _quick(chosen)
    result = read_json(chosen.out) if chosen.read else _measured(chosen)
    return concluded(chosen, result, targets(result), "hostile", table)


def _quick(chosen: argparse.Namespace) -> int:
    result = result_of(list(_rows(chosen, 0.05, [], "")))
    missed = [name for name, met in targets(result).items() if not met]
    print(json.dumps({**result, "missed": missed}, indent=2, ensure_ascii=False))
    return 1 if chosen.check and missed else 0


def _measured(chosen: argparse.Namespace) -> dict[str, Any]:
    journal = journal_of(chosen.out)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    sources = sha256_of_sources(["."], sorted([*Path(__file__).parent.glob("*.py"), *(ROOT / "stages").glob("*.py")]))
    known = [row for row in kept(journal) if row["sources"] == sources]
    rows = collected(_rows(chosen, 1.0, known, sources), known, journal)
    others = [row for row in known if row["family"] not in chosen.only]
    return {"platform": as_json(fingerprint()), **result_of([*others, *rows])}


def _rows(chosen: argparse.Namespace, scale: float, known: list[Row], sources: str) -> Iterator[Row]:
    """What is known of the chosen families, and then what is not yet."""
    with tempfile.TemporaryDirectory(prefix="roundoff-hostile-") as temporary:
        project = (chosen.project or Path(temporary) / "project").resolve()
        for family in chosen.only:
            before = [row for row in known if row["family"] == family]
            yield from before
            if any(row["outcome"] == "done" for row in before):
                continue
            for row in rows_of(family, made(project), scale, len(before)):
                if row["outcome"] in FAULTS:
                    print(f"{row['outcome']}: {row['words']}", file=sys.stderr, flush=True)
                yield row | {"sources": sources}
            yield {"family": family, "outcome": "done", "sources": sources}


def _arguments() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.hostile", description=__doc__, formatter_class=style)
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--read", action="store_true", help="try nothing: judge what the file holds")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the cases; nothing is kept")
    parser.add_argument("--only", type=_families, default=[*FAMILIES], help="families, by commas; all by default")
    parser.add_argument("--project", type=Path, help="a folder for the small run, which is kept there")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "hostile" / "cpu-2-cores.json")
    parser.add_argument("--document", type=Path, help="put the table there: docs/hostile.md")
    return parser.parse_args()


def _families(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(FAMILIES):
        raise argparse.ArgumentTypeError(f"no family {', '.join(sorted(unknown))}: choose of {', '.join(FAMILIES)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
