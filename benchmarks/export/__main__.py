"""Export every architecture of keras.applications, and networks around layers, one after the other:

    nice python -m benchmarks.export [--check] [--read] [--only NAME;NAME] [--out FILE]

Prints JSON. With --check, exits 1 and names each target that was missed. A run that was interrupted goes on where FILE
ends; one that was complete begins anew, unless --read asks for what FILE holds. The table in docs/export.md is written.
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
from benchmarks.document import replace_block
from benchmarks.export import nets
from benchmarks.export.network import file_of
from benchmarks.export.targets import table, targets
from benchmarks.process import ran
from roundoff.backend.fingerprint import fingerprint
from roundoff.results.checked import as_json
from roundoff.system.files import read_json, write_json


def main() -> int:
    """Measure, print, check; the exit code."""
    chosen = _arguments()
    planned = [*nets.LAYERS, *nets.APPLICATIONS]
    known = read_json(chosen.out)["nets"] if chosen.out.exists() else {}
    if known.keys() >= set(planned) and not chosen.read:
        known = {}
    result: dict[str, Any] = {
        "platform": as_json(fingerprint()),
        "too_large": nets.TOO_LARGE,
        "planned": planned,
        "nets": known,
    }
    wanted = [] if chosen.read else [name for name in chosen.only.split(";") if name] or planned
    for name, facts in _measured([name for name in wanted if name not in known]):
        known[name] = facts
        write_json(chosen.out, result)
        print(f"{name}: {facts['outcome']}", file=sys.stderr)
    print(json.dumps(result, indent=2))
    replace_block(ROOT / "docs" / "export.md", "export", table(result))
    missed = [target for target, met in targets(result).items() if not met]
    for target in missed:
        print(f"missed: {target}", file=sys.stderr)
    return 1 if chosen.check and missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--read", action="store_true", help="measure nothing: judge what the file holds")
    parser.add_argument("--only", default="", help="names of networks, by semicolons; all by default")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "export" / "cpu-2-cores.json")
    chosen = parser.parse_args()
    known = [*nets.LAYERS, *nets.APPLICATIONS]
    if unknown := sorted({name for name in chosen.only.split(";") if name} - {*known}):
        parser.error(f"--only names {unknown}; there are {'; '.join(known)}")
    return chosen


def _measured(names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as directory:
        layers = [name for name in names if name in nets.LAYERS]
        if layers:
            ran("-m", "benchmarks.export.network", "save", directory, *layers)
        for name in names:
            path = file_of(Path(directory), name)
            if name not in layers:
                ran("-m", "benchmarks.export.network", "save", directory, name)
            yield name, _exported(directory, name, path) if path.exists() else {"outcome": "not built"}
            path.unlink(missing_ok=True)


def _exported(directory: str, name: str, path: Path) -> dict[str, Any]:
    done = ran("-m", "benchmarks.export.network", "export", directory, name)
    if done.code:
        found = {"outcome": "traceback", "words": f"exit code {done.code}: {done.errors[-2000:]}"}
    else:
        found = json.loads(done.output.splitlines()[-1])
    return {**found, "weights_mb": path.stat().st_size / 1e6, "peak_mb": done.peak_mb, "seconds": done.seconds}


if __name__ == "__main__":
    sys.exit(main())
