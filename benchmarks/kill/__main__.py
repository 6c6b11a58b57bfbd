"""Kill `dvc repro` at random moments, its whole process tree or DVC alone, and run again:

    nice python -m benchmarks.kill [--kills 200] [--check] [--read] [--out FILE] [--document docs/kills.md]

In a copy of the checkout with a tiny job. After each kill -9 the next `roundoff run` (`dvc repro`, after it has mended
what DVC left of its own files) starts at once, and has to end with exit code 0, with the accuracies and files of an
untouched run, no more and no fewer, the same bytes where two untouched runs have the same; nothing of the killed run
may still be at work or lie anywhere. What is killed in a stage is `dvc repro --single-item STAGE`; the last tenth of
the kills come at any moment of `dvc repro`. The moments are drawn with a fixed seed. Each kill is kept in FILE.rows
with the commit that it was tried on, also one that was not survived: a run that was cut short goes on from there, and
from what FILE holds. Prints JSON; with --check, exits 1 and names each target that was missed. --read judges what FILE
holds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT
from benchmarks.journal import Row, collected, journal_of, kept
from benchmarks.kill.targets import table, targets
from benchmarks.kill.trial import Untouched, cases, is_of, tried
from benchmarks.kill.workspace import Workspace
from benchmarks.targets import concluded
from roundoff.backend.fingerprint import fingerprint
from roundoff.results.checked import as_json
from roundoff.system.files import read_json
from roundoff.system.git import git


def main() -> int:
    """Kill, print, check; the exit code."""
    chosen = _arguments()
    result = read_json(chosen.out) if chosen.read else _measured(chosen)
    return concluded(chosen, result, targets(result), "kills", table)


def _measured(chosen: argparse.Namespace) -> dict[str, Any]:
    journal = journal_of(chosen.out)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    before = read_json(chosen.out)["rows"] if chosen.out.exists() else []
    known = [*before, *(row for row in kept(journal) if row not in before)]
    rows = collected(_rows(chosen.kills, known), known, journal)
    return {"platform": as_json(fingerprint()), "planned": chosen.kills, "rows": rows}


def _rows(count: int, known: list[Row]) -> Iterator[Row]:
    """All kills of the plan: those that are known, each once, in its place, and the others as they are tried."""
    commit = git(ROOT, "describe", "--always", "--dirty").stdout.strip()
    unused = list(known)
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as folder:
        prepared: tuple[Workspace, Untouched] | None = None
        for case in cases(count):
            found = next((row for row in unused if is_of(row, case)), None)
            if found:
                unused.remove(found)
                yield found
                continue
            prepared = prepared or _prepared(Path(folder))
            yield tried(case, *prepared) | {"commit": commit}


def _prepared(folder: Path) -> tuple[Workspace, Untouched]:
    """The workspace after two untouched runs, and what they agree on."""
    workspace = Workspace(folder)
    workspace.timed()
    first = workspace.state()
    seconds = workspace.timed()
    second = workspace.state()
    stable = frozenset(name for name, content in second.files.items() if first.files.get(name) == content)
    workspace.keep()
    # dvc.lock has the hashes of what is timed; the trials change it themselves
    return workspace, Untouched(seconds, second, stable - {"dvc.lock"})


def _arguments() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__, formatter_class=style)
    parser.add_argument("--kills", type=int, default=200, help="how many; 200 as the targets are stated for")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--read", action="store_true", help="kill nothing: judge what the file holds")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "kills" / "cpu-2-cores.json")
    parser.add_argument("--document", type=Path, help="put the table there: docs/kills.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
