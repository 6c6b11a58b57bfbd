"""Does sensitivity name the right tensors, and does a mixed precision leave less wide than others would?

    python -m benchmarks.sensitivity --data ZIP [--peers-python PYTHON] [--only NAME;NAME] [--check] [--out FILE]
        [--document docs/sensitivity.md]
    python -m benchmarks.sensitivity --read [--check] [--out FILE] [--document docs/sensitivity.md]

ZIP is of CIFAR-10's images, train/CLASS/ and test/CLASS/. Small random networks get one tensor with a range that is too
wide, three times as costly as the next: it has to come first. Networks of the zoo are measured, and names left wide in
roundoff's order, by noise, at random, and in the order of NNCF's quantize_with_accuracy_control (in the environment
whose interpreter --peers-python names; without it that column is empty) until INT8's disagreement is halved. A row is
kept in FILE.rows as soon as it is done, so that a run that was cut short goes on. Prints JSON; with --check, exits 1
and names each target that was missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT
from benchmarks.journal import Row, collected, journal_of, kept
from benchmarks.sensitivity.tables import tables
from benchmarks.sensitivity.targets import targets
from benchmarks.targets import concluded
from roundoff.system.files import read_json

ROOMS = ROOT / "src" / "roundoff"


def main() -> int:
    """Measure, print, check; the exit code."""
    chosen = _parsed()
    result = read_json(chosen.out) if chosen.read else _measured(chosen)
    result["targets"] = targets(result)
    return concluded(chosen, result, result["targets"], "sensitivity", tables)


def _measured(chosen: argparse.Namespace) -> dict[str, Any]:
    from roundoff.backend.fingerprint import fingerprint
    from roundoff.results.checked import as_json

    journal = journal_of(chosen.out)
    known = kept(journal)
    return {"platform": as_json(fingerprint()), "rows": collected(_rows(chosen, known), known, journal)}


def _rows(chosen: argparse.Namespace, known: list[Row]) -> Iterator[Row]:
    from benchmarks.sensitivity import measuring, planted
    from benchmarks.sensitivity.graphs import NAMES

    code = measuring.code_of(Path(__file__).parent, ROOMS)
    names = [name for name in chosen.only.split(";") if name] or list(NAMES)
    chosen.work.mkdir(parents=True, exist_ok=True)
    work, python = chosen.work.resolve(), chosen.peers_python
    yield from measuring.rows(names, chosen.data.resolve(), work, python, known, code)
    for seed in range(planted.NETWORKS):
        told = {"kind": "planted", "seed": seed, "code_sha256": code}
        row = next((row for row in known if told.items() <= row.items()), None)
        yield row or {**told, **planted.row(seed)}


def _parsed() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.sensitivity", description=__doc__, formatter_class=style)
    parser.add_argument("--data", type=Path, help="the zip of images")
    parser.add_argument("--only", default="", help="names of networks, by semicolons; all by default")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--read", action="store_true", help="measure nothing: judge what the file holds")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "sensitivity" / "cpu-2-cores.json")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "sensitivity", help="for what is made meanwhile")
    parser.add_argument("--peers-python", help="an interpreter that has NNCF and OpenVINO")
    parser.add_argument("--document", type=Path, help="put the tables there: docs/sensitivity.md")
    chosen = parser.parse_args()
    if not chosen.read and (chosen.data is None or not chosen.data.is_file()):
        parser.error("--data needs the zip of images, or --read a result")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
