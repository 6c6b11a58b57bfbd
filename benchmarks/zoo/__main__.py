"""Small networks of the usual families through the whole pipeline, beside what one would quantize them with instead:

    python -m benchmarks.zoo --data ZIP [--peers-python PYTHON] [--only NAME;NAME] [--draws 3] [--images 3000]
        [--check] [--out FILE] [--document docs/zoo.md]
    python -m benchmarks.zoo --read [--check] [--out FILE] [--document docs/zoo.md]

ZIP is of CIFAR-10's images, train/CLASS/ and test/CLASS/. Every network is taken, exported, calibrated and built by the
stages; other tools' graphs of it come in as `given`, so that all answer the same test images and are timed in turns.
Each draw has other calibration images; the first is timed. Two networks are at work side by side, but what is timed
has the machine to itself. A row (network and draw) is kept in FILE.rows as soon as it is done: a run that was cut short
goes on from there, unless the sources have changed. Peers come from the dependency group `peers`, which brings another
ONNX Runtime along: install it into an environment of its own and name its interpreter by --peers-python, where the
peers quantize; all graphs run here. One that is not installed is a row that says so. Prints JSON, and puts the tables
into --document; with --check, exits 1 and names each target that was missed. --read judges what FILE holds.
"""

from __future__ import annotations

import argparse
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT
from benchmarks.journal import collected, journal_of, kept
from benchmarks.sources import sha256_of_sources
from benchmarks.targets import concluded
from benchmarks.zoo.networks import NETWORKS
from benchmarks.zoo.tables import tables
from benchmarks.zoo.targets import targets
from roundoff.system.files import read_json

ROOMS = ("backend", "calibration", "export", "graph", "model", "precision")
OWN = ("layer_net", "layers", "measuring", "networks", "peer", "pipeline", "prepared", "row", "study")
"""The modules of this folder that decide what stands in a row."""
LIBRARIES = ("onnxruntime", "ai-edge-litert", "ai-edge-quantizer", "tensorflow", "nvidia-modelopt", "nncf", "numpy")


def main() -> int:
    """Measure, print, check; the exit code."""
    chosen = _parsed()
    result = read_json(chosen.out) if chosen.read else _measured(chosen)
    result["targets"] = targets(result)
    return concluded(chosen, result, result["targets"], "zoo", tables)


def _measured(chosen: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.zoo.measuring import Plan, Zoo
    from roundoff.backend.fingerprint import fingerprint
    from roundoff.results.checked import as_json

    names = [name for name in chosen.only.split(";") if name] or list(NETWORKS)
    own = [Path(__file__).with_name(f"{name}.py") for name in OWN]
    plan = Plan(
        networks=[NETWORKS[name] for name in names],
        draws=chosen.draws,
        images=chosen.images,
        data=chosen.data.resolve(),
        work=chosen.work.resolve(),
        sources=sha256_of_sources(ROOMS, own),
        peers_python=chosen.peers_python,
    )
    plan.work.mkdir(parents=True, exist_ok=True)
    journal = journal_of(chosen.out)
    known = kept(journal)
    return {
        "platform": as_json(fingerprint()),
        "versions": {name: _version(name) for name in LIBRARIES},
        "planned": names,
        "draws": chosen.draws,
        "test_images": chosen.images,
        "rows": collected(Zoo(plan, known).rows(), known, journal),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _parsed() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.zoo", description=__doc__, formatter_class=style)
    parser.add_argument("--data", type=Path, help="the zip of images")
    parser.add_argument("--only", default="", help="names of networks, by semicolons; all by default")
    parser.add_argument("--draws", type=int, default=3, help="of calibration images")
    parser.add_argument("--images", type=int, default=3000, help="test images")
    parser.add_argument("--check", action="store_true", help="exit 1 and name each target that was missed")
    parser.add_argument("--read", action="store_true", help="measure nothing: judge what the file holds")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "zoo" / "cpu-2-cores.json")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "zoo", help="a folder for what is made meanwhile")
    parser.add_argument("--peers-python", default=sys.executable, help="an interpreter that has the peers")
    parser.add_argument("--document", type=Path, help="put the tables there: docs/zoo.md")
    chosen = parser.parse_args()
    if not chosen.read and (chosen.data is None or not chosen.data.is_file()):
        parser.error("--data needs the zip of images, or --read a result")
    if unknown := {name for name in chosen.only.split(";") if name} - NETWORKS.keys():
        parser.error(f"--only names {sorted(unknown)}; there are {'; '.join(NETWORKS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
