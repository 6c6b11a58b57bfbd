"""Holds the TensorRT backend against the least that could be done, and against PyTorch, on the GPU of this machine.

    python benchmarks/gpu_harness.py --onnx resnet8=models/onnx/model.onnx --images data/prepared --out gpu.json --check

`--check` exits with 1 and names each target that was missed. Needs neither TensorFlow nor DVC. docs/tensorrt.md says
what the figures mean and how to spread the cells over several GPUs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpu_cells import Bench
from gpu_targets import PEER, targets


def run_here(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Measure the cells in this process."""
    bench = Bench(options)
    return {name: bench.cell(name) for name in options.cells}


def spread(options: argparse.Namespace, arguments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """One process per GPU, each with every n-th cell."""
    with tempfile.TemporaryDirectory() as scratch:
        parts = []
        for device in range(options.devices):
            share = options.cells[device :: options.devices]
            out = Path(scratch) / f"{device}.json"
            command = [sys.executable, __file__, *arguments, "--devices", "1", "--out", str(out), "--cells", *share]
            environment = os.environ | {"CUDA_VISIBLE_DEVICES": _visible(device)}
            command = [word for word in command if word != "--check"]
            parts.append((subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL), out))
        for process, _ in parts:
            if process.wait() != 0:
                raise SystemExit(f"{process.args} ended with {process.returncode}")
        found: dict[str, dict[str, Any]] = {}
        for _, out in parts:
            found |= json.loads(out.read_text())["cells"]
    return {name: found[name] for name in options.cells}


def _visible(device: int) -> str:
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return listed.split(",")[device] if listed else str(device)


def main(arguments: Sequence[str]) -> int:
    """Measure, write the JSON file, print the peers and the targets; 1 if `--check` finds one missed."""
    options = parsed(arguments)
    from roundoff.artifact import write_json
    from roundoff.platform import fingerprint

    started = time.perf_counter()
    cells = spread(options, arguments) if options.devices > 1 else run_here(options)
    required = targets(cells)
    report = {
        "platform": fingerprint(),
        "devices": options.devices,
        "wall_s": time.perf_counter() - started,
        "cells": cells,
        "targets": [asdict(target) | {"met": target.met} for target in required],
    }
    write_json(options.out, report)
    show(cells)
    missed = [target for target in required if not target.met]
    print(f"{len(required) - len(missed)} of {len(required)} targets met; {options.out}")
    for target in missed:
        print(f"MISSED {target.name}: {target.value} (from {target.low} to {target.high})")
    return 1 if options.check and missed else 0


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
                print(f"{name} batch {batch}: {row['device_ms']:.4f} ms, error {row['relative_error']:.1e}")
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
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--round-ms", type=float, default=100.0, help="aim for one mode's share of a round")
    parser.add_argument("--work", type=Path, default=Path("build/gpu"), help="where engines and caches go")
    parser.add_argument("--cache", type=Path, help="where compiled kernels are kept; default: under --work")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--devices", type=int, default=1, help="GPUs to spread the cells over, one process each")
    parser.add_argument("--cells", nargs="*", help="only these, as NAME/PRECISION")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    options.onnx, options.tables = (dict(_pairs(parser, given)) for given in (options.onnx, options.table))
    if options.peer_batches is None:
        options.peer_batches = options.batches
    if min([*options.batches, options.rounds, options.devices]) < 1:
        parser.error("batch sizes, rounds and devices start at 1")
    options.cells = options.cells or [
        f"{model}/{precision}"
        for model in options.onnx
        for precision in [*options.precisions, *([PEER] if options.peer_batches else [])]
    ]
    return options


def _pairs(parser: argparse.ArgumentParser, given: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for pair in given:
        name, separator, path = pair.partition("=")
        if not separator or not Path(path).is_file():
            parser.error(f"{pair}: expected NAME=PATH of an existing file")
        yield name, Path(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
