"""Take random networks through roundoff, in every precision and on every grid:

    nice python -m benchmarks.fuzz [--networks 200] [--check] [--read] [--out FILE] [--document docs/fuzz.md]

Convs of all kinds, batch norms, activations, sums, Concat, products, pools, LayerNorm, softmax, odd numbers of
channels, tiny and huge constants, dead branches, shared and unused weights, by fixed seeds. Each is taken as
`model=onnx_file` takes one, exported, calibrated by every method and built in every precision: by ONNX Runtime's
backend, and as the graph that TensorRT is given, which ONNX Runtime runs as written. What ends with an error in words
is refused, any other error is a crash. INT8's logits are compared by method, on images that chose nothing. Each network
is kept in FILE.rows: a run that was cut short goes on from there, unless the sources have changed. Prints JSON; with
--check, exits 1 and names each target that was missed. --read judges what FILE holds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT
from benchmarks.fuzz import worker
from benchmarks.fuzz.targets import table, targets
from benchmarks.journal import Row, collected, journal_of, kept
from benchmarks.sources import sha256_of_sources
from benchmarks.targets import concluded
from roundoff.backend.fingerprint import fingerprint
from roundoff.results.checked import as_json
from roundoff.system.files import read_json

ROOMS = ("backend", "calibration", "cells", "export", "graph", "model", "precision", "training")
OWN = ("layers", "networks", "cells")


def main() -> int:
    """Try, print, check; the exit code."""
    chosen = _arguments()
    result = read_json(chosen.out) if chosen.read else _measured(chosen)
    return concluded(chosen, result, targets(result), "fuzz", table)


def _measured(chosen: argparse.Namespace) -> dict[str, Any]:
    journal = journal_of(chosen.out)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    sources = sha256_of_sources(ROOMS, [Path(__file__).with_name(f"{name}.py") for name in OWN])
    known = kept(journal)
    rows = collected(_rows(chosen.networks, sources, known), known, journal)
    return {"platform": as_json(fingerprint()), "planned": chosen.networks, "rows": rows}


def _rows(count: int, sources: str, known: list[Row]) -> Iterator[Row]:
    by_seed = {row["seed"]: row for row in known if row["sources"] == sources}
    yield from by_seed.values()
    for row in worker.rows(seed for seed in range(count) if seed not in by_seed):
        yield row | {"sources": sources}


def _arguments() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__, formatter_class=style)
    parser.add_argument("--networks", type=int, default=200, help="how many; 200 as the targets are stated for")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--read", action="store_true", help="try nothing: judge what the file holds")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "fuzz" / "cpu-2-cores.json")
    parser.add_argument("--document", type=Path, help="put the table there: docs/fuzz.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
