"""Holds the TensorRT backend against the least that could be done, and against PyTorch, on the GPU of this machine.

    python -m benchmarks.gpu harness --onnx resnet8=models/onnx/model.onnx --images data/prepared --out gpu.json --check

`--check` exits with 1 and names each target that was missed. Needs neither TensorFlow nor DVC. docs/tensorrt.md says
what the figures mean and how to spread the cells over several GPUs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.commands import environment
from benchmarks.gpu.targets import PEER, targets

PROGRAM = (sys.executable, "-m", "benchmarks.gpu", "harness")
VISIBLE = "CUDA_VISIBLE_DEVICES"
GRACE_S = 10.0  # for a process that was told to end


def run_here(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Measure the cells in this process; after each, what there is so far is written."""
    from benchmarks.gpu.cells import Bench
    from roundoff.system.files import write_json

    bench, found = Bench(options), {}
    for name in options.cells:
        found[name] = bench.cell(name)
        write_json(options.out, {"complete": False, "cells": found})
    return found


def spread(options: argparse.Namespace, arguments: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """One process per GPU, each with its share: all cells, and what went wrong with a process as a whole."""
    visible, problems = visible_gpus(options.devices), []
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        parts = []
        for device, name in enumerate(visible):
            share, out = dealt(options.cells, options.devices, device), Path(scratch) / f"{device}.json"
            if share:
                parts.append((stack.enter_context(_started(arguments, name, share, out)), name, share, out))
        # one that ended badly must not take along what the others measured
        for process, name, share, out in parts:
            code = process.wait()
            there = json.loads(out.read_text())["cells"] if out.exists() else {}
            reason = f"the process on GPU {name} ended with exit code {code} before this cell was measured"
            found |= {cell: there.get(cell, {"status": "failed", "reason": reason}) for cell in share}
            if code != 0:
                problems.append(f"the process on GPU {name} ended with exit code {code}")
    return {name: found[name] for name in options.cells}, problems


def dealt(cells: Sequence[str], devices: int, device: int) -> list[str]:
    """A device's share of the cells: each model's are dealt in turn, one device further on than the model's before.

    So no device gets every model's slowest precision.
    """
    models = list(dict.fromkeys(cell.rsplit("/", 1)[0] for cell in cells))
    place = {
        cell: models.index(model) + number
        for model in models
        for number, cell in enumerate(cell for cell in cells if cell.rsplit("/", 1)[0] == model)
    }
    return [cell for cell in cells if place[cell] % devices == device]


@contextmanager
def _started(arguments: Sequence[str], gpu: str, cells: Sequence[str], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that measures the cells on that GPU, which it must not hold any longer than this one lives."""
    command = [*PROGRAM, *(word for word in arguments if word != "--check")]
    command += ["--devices", "1", "--out", str(out), "--cells", *cells]
    process = subprocess.Popen(command, env=environment(**{VISIBLE: gpu}), stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def visible_gpus(count: int) -> list[str]:
    """Values of CUDA_VISIBLE_DEVICES for the first `count` GPUs that may be used; SystemExit where they are fewer."""
    from roundoff.backend.fingerprint import fingerprint

    allowed = os.environ.get(VISIBLE)
    if allowed is None:
        gpus, where = [gpu.uuid for gpu in fingerprint().gpus if gpu.uuid], "this machine has"
    else:
        gpus, where = [token.strip() for token in allowed.split(",") if token.strip()], f"{VISIBLE}={allowed} shows"
    if len(gpus) < count:
        raise SystemExit(f"error: --devices {count} asks for {count} GPUs, but {where} {len(gpus)}: ask for fewer")
    return gpus[:count]


def main(arguments: Sequence[str]) -> int:
    """Measure, write the JSON file, print peers and targets; 1 if a process died or `--check` finds a target missed."""
    options = parsed(arguments)
    from roundoff.backend.fingerprint import fingerprint
    from roundoff.results.checked import as_json
    from roundoff.system.files import write_json

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # or what it started would live on
    started = time.perf_counter()
    cells, problems = spread(options, arguments) if options.devices > 1 else (run_here(options), [])
    wall_s = time.perf_counter() - started
    required = targets(cells, options.batches)
    report = {
        "complete": not problems,
        "platform": as_json(fingerprint()),
        "commit": commit(),
        "options": {name: _plain(value) for name, value in vars(options).items()},
        "sha256": hashes(options),
        "devices": options.devices,
        "wall_s": wall_s,
        "cells": cells,
        "targets": [asdict(target) | {"met": target.met} for target in required],
        "problems": problems,
    }
    write_json(options.out, report)
    show(cells)
    missed = [target for target in required if not target.met]
    print(f"{len(required) - len(missed)} of {len(required)} targets met; {options.out}")
    for target in missed:
        print(f"MISSED {target.name}: {target.value} (from {target.low} to {target.high})")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems or (options.check and missed) else 0


def commit() -> str | None:
    """The git commit of the sources, with -dirty where they differ from it; None outside a repository."""
    from roundoff.system.git import git

    try:
        found = git(Path(__file__).parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except OSError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def hashes(options: argparse.Namespace) -> dict[str, str]:
    """SHA-256 of each model, calibration table and test array, by path."""
    from roundoff.system.files import sha256_of

    images = [options.images / name for name in ("test_images.npy", "test_labels.npy")]
    return {str(path): sha256_of(path) for path in [*options.onnx.values(), *options.tables.values(), *images]}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return str(value) if isinstance(value, Path) else value


def show(cells: dict[str, dict[str, Any]]) -> None:
    """One line per cell and batch size; the peer's line stands beside ours."""
    for name, cell in cells.items():
        if cell["status"] != "measured":
            print(f"{name}: {cell['status']}: {cell['reason']}")
            continue
        for batch, row in cell["batches"].items():
            if row["status"] != "measured":
                print(f"{name} batch {batch}: {row['status']}: {row['reason']}")
            elif name.endswith(f"/{PEER}"):
                ours = row["ours_fp16_ms"]
                beside = "" if ours is None else f", our FP16 {ours:.4f} ms"
                print(f"{name} batch {batch}: {row['device_ms']:.4f} ms{beside}, error {row['relative_error']:.1e}")
            else:
                print(
                    f"{name} batch {batch}: {row['device_ms']:.4f} ms, {row['device_over_bare']:.3f} of bare, "
                    f"{row['throughput_per_s']:,.0f} images/s, {row['throughput_over_limit']:.2f} of the limit"
                )


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", action="append", required=True, metavar="NAME=PATH", help="an exported FP32 graph")
    parser.add_argument("--table", action="append", default=[], metavar="NAME=PATH", help="its calibration table")
    parser.add_argument("--images", type=Path, required=True, help="directory with test_images.npy and test_labels.npy")
    parser.add_argument("--module", default="tensorrt_rtx")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "tf32", "fp16", "bf16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32, 1024, 8192])
    parser.add_argument("--peer-batches", nargs="*", type=int, help="default: the same; none given: no peer")
    parser.add_argument(
        "--peer-mode", default="default", help="torch.compile's mode, such as max-autotune-no-cudagraphs"
    )
    parser.add_argument("--rounds", type=int, default=9, help="shared out among the loads, rounded up")
    parser.add_argument("--loads", type=int, default=3, help="of each engine and of the bare loop")
    parser.add_argument("--round-ms", type=float, default=100.0, help="aim for one mode's share of a round")
    parser.add_argument("--work", type=Path, default=Path("build/gpu"), help="where engines and caches go")
    parser.add_argument("--cache", type=Path, help="where compiled kernels are kept; default: under --work")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--cold", action="store_true", help="load each engine once with no compiled kernels at all")
    parser.add_argument("--devices", type=int, default=1, help="GPUs to spread the cells over, one process each")
    parser.add_argument("--cells", nargs="+", help="only these, as NAME/PRECISION")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    options.onnx, options.tables = (dict(named_paths(parser, given)) for given in (options.onnx, options.table))
    options.cache = options.cache or options.work / "cache"
    if options.peer_batches is None:
        options.peer_batches = options.batches
    if min([*options.batches, options.rounds, options.loads, options.devices]) < 1:
        parser.error("batch sizes, rounds, loads and devices start at 1")
    options.cells = options.cells or [
        f"{model}/{precision}"
        for model in options.onnx
        for precision in [*options.precisions, *([PEER] if options.peer_batches else [])]
    ]
    return options


def named_paths(parser: argparse.ArgumentParser, given: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Name and path of each NAME=PATH; ends the program where there is no such file."""
    for pair in given:
        name, separator, path = pair.partition("=")
        if not separator or not Path(path).is_file():
            parser.error(f"{pair}: expected NAME=PATH of an existing file")
        yield name, Path(path)
