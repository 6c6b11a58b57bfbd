"""Loads, runs and closes an engine over and over, and says what was not given back.

    python -m benchmarks.gpu leaks --onnx models/onnx/model.onnx --cycles 1000 --out leaks.json

Prints JSON; exits with 1 if device memory, host memory, threads or open files grew beyond what is allowed for. After
each tenth of the cycles come as many with the backend's calls to TensorRT and CUDA alone (bare_life.py): what those
grow by is the libraries', and allowed for. The file is written anew after each tenth, `complete` from the last on.

8 MB of host memory in 1,000 cycles are 8 kB a cycle: a single input buffer that is not given back (98 kB at batch 32
and 32 × 32 pixels) would be 98 MB. Less cannot be asked for: free memory goes back to the system before each reading,
but the allocator's arenas and the driver's own tables still move by a few MB. `course` has the growth of each tenth,
ours and the libraries', and tells a step from a slope.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.harness import commit
from roundoff.system.progress import track

WARM_UP = 50
READINGS = 10
Growth = dict[str, float]
ALLOWED = {"device_mb": 4.0, "host_mb": 8.0, "threads": 0, "files": 0}


def used() -> dict[str, float]:
    """Device and host memory in MB (10^6 bytes), threads and open files of this process."""
    from roundoff.backend import cuda
    from roundoff.measurement.heap_layout import give_back_free_memory

    gc.collect()
    give_back_free_memory()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "device_mb": -cuda.free_bytes() / 1e6,
        "host_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


def cycle(backend: Any, directory: Path, images: np.ndarray) -> None:
    """One life of an engine, with every mode used."""
    with backend.load(directory) as runner, runner.bind([images, images]) as bound:
        runner.infer(images)
        bound.device_only(2)
        bound.end_to_end(2)
        bound.stream(4)
        bound.outputs(transfers=True)


def main(arguments: Sequence[str]) -> int:
    """Run the cycles, write and print what grew; 1 if it is beyond what is allowed for."""
    options, started = parsed(arguments), time.perf_counter()
    from roundoff.system.files import write_json

    head = about(options)
    with tempfile.TemporaryDirectory() as scratch:
        backend, images = built(options, Path(scratch))
        ours, bare = partial(cycle, backend, Path(scratch), images), bare_cycle(backend, Path(scratch), images)
        for _ in track(range(WARM_UP), "warm-up"):
            ours()
            bare()
        for course in watched(options.cycles, ours, bare):
            state = {"complete": len(course) == READINGS, "wall_s": time.perf_counter() - started}
            report = head | state | verdict(course)
            if options.out:
                write_json(options.out, report)
    print(json.dumps(report, indent=2))
    return 1 if report["leaked"] else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, required=True, help="an exported FP32 graph")
    parser.add_argument("--module", default="tensorrt_rtx")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--out", type=Path)
    return parser.parse_args(arguments)


def about(options: argparse.Namespace) -> dict[str, Any]:
    """The machine, the sources and the model of a run."""
    from roundoff.backend.fingerprint import fingerprint
    from roundoff.results.checked import as_json
    from roundoff.system.files import sha256_of

    model = {"onnx_sha256": sha256_of(options.onnx), "cycles": options.cycles}
    return {"platform": as_json(fingerprint()), "commit": commit(), **model}


def built(options: argparse.Namespace, directory: Path) -> tuple[Any, np.ndarray]:
    """The backend, its FP16 engine of the model now in the directory; and random images, uint8 [batch, H, W, C]."""
    from benchmarks.gpu.engine import build_fp16, random_images
    from roundoff.backend.trt.backend import Tensorrt

    backend = Tensorrt(module=options.module, profiles=[[1, options.batch, options.batch]], cache=str(directory))
    build_fp16(backend, options.onnx, directory)
    return backend, random_images(options.onnx, options.batch)


def bare_cycle(backend: Any, directory: Path, images: np.ndarray) -> Callable[[], object]:
    """The same calls to TensorRT and CUDA, with the kernels that the backend has compiled."""
    from benchmarks.gpu.bare_life import BareLife
    from roundoff.backend.trt.library import import_tensorrt, make_log

    trt, plan = import_tensorrt(backend.module), (directory / backend.artifact).read_bytes()
    with backend.load(directory) as runner:
        runner.bind([images]).close()
        kernels = runner.cache_file.read_bytes() if runner.cache_file.exists() else b""
    return BareLife(trt, plan, make_log(trt), kernels, images).live


def watched(cycles: int, ours: Callable[[], object], bare: Callable[[], object]) -> Iterator[list[dict[str, Growth]]]:
    """What grew in each tenth of the cycles so far, under `ours` and under as many `bare` ones: after each tenth."""
    course: list[dict[str, Growth]] = []
    for reading in range(READINGS):
        part = range(cycles * reading // READINGS, cycles * (reading + 1) // READINGS)
        course.append({})
        for name, run in (("ours", ours), ("bare", bare)):
            run()  # uncounted: what lies about after one kind of cycle is not what does after the other
            before = used()
            for _ in track(part, f"tenth {reading + 1}, {name}"):
                run()
            after = used()
            course[-1][name] = {key: after[key] - before[key] for key in before}
        yield course


def verdict(course: list[dict[str, Growth]]) -> dict[str, Any]:
    """What grew in all, and what of it is beyond what is allowed for and what the libraries grow by themselves."""
    ours, bare = ({key: sum(part[name][key] for part in course) for key in ALLOWED} for name in ("ours", "bare"))
    leaked = [key for key, allowed in ALLOWED.items() if ours[key] - max(bare[key], 0) > allowed]
    return {"grown": ours, "grown_bare": bare, "allowed": ALLOWED, "leaked": leaked, "course": course}
