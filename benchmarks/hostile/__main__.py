"""Give roundoff hostile files and settings, made by code, and count what becomes of each:

    python -m benchmarks.hostile [--check] [--quick] [--only FAMILY,FAMILY] [--project FOLDER] [--out FILE]

A case is refused in words (what, received, expected, fix), accepted rightly (as the untouched run), a traceback, or
wrong: accepted with other figures, or a file was lost. Readers are tried in process; the family `stages` runs whole
stages. The files are those of a small run, which is made first in FOLDER, where it is not there already. Prints JSON.
With --check, exits 1 and names each target that was missed. --quick tries a twentieth. The table in docs/hostile.md is
written by a whole campaign. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.commands import ROOT
from benchmarks.document import replace_block
from benchmarks.hostile.campaign import rows_of
from benchmarks.hostile.families import FAMILIES
from benchmarks.hostile.project import made
from benchmarks.hostile.targets import FAULTS, result_of, table, targets
from benchmarks.journal import Row
from roundoff.system.files import write_text


def main() -> int:
    """Try, print, check; the exit code."""
    chosen = _arguments()
    result = result_of(_rows(chosen))
    whole = not chosen.quick and set(chosen.only) == set(FAMILIES)
    missed = [name for name, met in targets(result).items() if not met]
    text = json.dumps({**result, "missed": missed}, indent=2, ensure_ascii=False)
    if chosen.out:
        write_text(chosen.out, text + "\n")
    else:
        print(text)
    if whole:
        replace_block(ROOT / "docs" / "hostile.md", "hostile", table(result))
    for name in missed:
        print(f"missed: {name}", file=sys.stderr)
    return 1 if chosen.check and missed else 0


def _arguments() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.hostile", description=__doc__, formatter_class=style)
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the cases")
    parser.add_argument("--only", type=_families, default=[*FAMILIES], help="families, by commas; all by default")
    parser.add_argument("--project", type=Path, help="a folder for the small run, which is kept there")
    parser.add_argument("--out", type=Path, help="write the JSON there instead of printing it")
    return parser.parse_args()


def _families(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(FAMILIES):
        raise argparse.ArgumentTypeError(f"no family {', '.join(sorted(unknown))}: choose of {', '.join(FAMILIES)}")
    return chosen


def _rows(chosen: argparse.Namespace) -> list[Row]:
    scale, rows = 0.05 if chosen.quick else 1.0, list[Row]()
    with tempfile.TemporaryDirectory(prefix="roundoff-hostile-") as temporary:
        project = made((chosen.project or Path(temporary) / "project").resolve())
        for family in chosen.only:
            for row in rows_of(family, project, scale):
                rows.append(row)
                if row["outcome"] in FAULTS:
                    print(json.dumps(row, ensure_ascii=False), file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
