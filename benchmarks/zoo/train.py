"""Train the zoo's own members on images, side by side on one accelerator, by Keras on JAX and three by PyTorch:

    python -m benchmarks.zoo.train --data ZIP --out FOLDER [--only NAME,...] [--seconds 330] [--jobs 16]

ZIP has train/CLASS/ and test/CLASS/. Each member is a process of its own, and FOLDER/NAME.keras (or .onnx) and
FOLDER/NAME.json (how it was trained) are there as soon as it is done; trained.json has all of them. --seconds is what
one training may take, its compilation included. Exits 1 where a member failed, or where the files take more than 10 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks.commands import environment
from benchmarks.zoo.fitted import Member
from benchmarks.zoo.trained import TORCH, TRAINED
from roundoff.system.files import write_json

ALL = {**TRAINED, **TORCH}
MOST_MB = 10.0
SEED = 17


def main(arguments: Sequence[str]) -> int:
    """Train what is asked for; the exit code."""
    chosen = _parsed(arguments)
    if chosen.member:
        _train(chosen.member, chosen.data, chosen.out, chosen.seconds)
        return 0
    chosen.out.mkdir(parents=True, exist_ok=True)
    names = chosen.only.split(",") if chosen.only else list(ALL)
    with tempfile.TemporaryDirectory() as folder:
        _decode(chosen.data, Path(folder))
        with ThreadPoolExecutor(chosen.jobs) as pool:
            codes = list(pool.map(lambda name: _in_own_process(name, Path(folder), chosen), names))
    return _summary(chosen.out, names, codes)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.zoo.train", description=__doc__, formatter_class=style)
    parser.add_argument("--data", type=Path, required=True, help="the zip of images")
    parser.add_argument("--out", type=Path, required=True, help="the folder for the models")
    parser.add_argument("--only", default="", help="names by commas; all by default")
    parser.add_argument("--seconds", type=float, default=330, help="that one training may take")
    parser.add_argument("--jobs", type=int, default=len(ALL), help="trainings at a time")
    parser.add_argument("--member", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if unknown := set(filter(None, chosen.only.split(","))) - ALL.keys():
        parser.error(f"--only names {sorted(unknown)}; the members are {', '.join(ALL)}")
    return chosen


def _decode(archive: Path, folder: Path) -> None:
    from benchmarks.zoo.images import write_arrays

    started = time.perf_counter()
    write_arrays(archive, folder, len(os.sched_getaffinity(0)))
    print(f"images: decoded in {time.perf_counter() - started:.0f} s", flush=True)


def _in_own_process(name: str, folder: Path, chosen: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "benchmarks.zoo.train", "--member", name, "--data", str(folder)]
    command += ["--out", str(chosen.out), "--seconds", str(chosen.seconds)]
    own = environment(KERAS_BACKEND="jax", XLA_PYTHON_CLIENT_PREALLOCATE="false", TF_CPP_MIN_LOG_LEVEL="3")
    done = subprocess.run(command, env=own, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        print(f"{name}: exit code {done.returncode}\n{done.stderr[-3000:]}", file=sys.stderr, flush=True)
    return done.returncode


def _train(name: str, folder: Path, out: Path, seconds: float) -> None:
    """Train one member in this process, and write its files."""
    module = import_module(f"benchmarks.zoo.{'torch_fitting' if name in TORCH else 'fitting'}")
    member: Member = module.train_member(name, folder, out, seconds, SEED)
    recipe = ALL[name]
    facts = {"recipe": asdict(recipe), **asdict(member), "python": platform.python_version(), "seed": SEED}
    write_json(out / f"{name}.json", facts)
    print(f"{name}: {json.dumps(asdict(member.fitted))}", flush=True)


def _summary(out: Path, names: Sequence[str], codes: Sequence[int]) -> int:
    members = {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.json")) if path.stem in ALL}
    files = [path for path in out.iterdir() if path.suffix in (".keras", ".onnx")]
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    write_json(out / "trained.json", {"size_mb": size_mb, "members": members})
    failed = [name for name, code in zip(names, codes, strict=True) if code]
    print(f"{len(members)} members, {size_mb:.1f} MB; failed: {', '.join(failed) or 'none'}")
    if size_mb > MOST_MB:
        print(f"the files take {size_mb:.1f} MB, more than {MOST_MB:g}", file=sys.stderr)
    return 1 if failed or size_mb > MOST_MB else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
