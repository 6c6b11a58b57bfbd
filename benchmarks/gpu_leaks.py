"""Loads, runs and closes an engine over and over, and says what was not given back.

    python benchmarks/gpu_leaks.py --onnx models/onnx/model.onnx --cycles 1000 --out leaks.json

Prints JSON; exits with 1 if device memory, host memory, threads or open files grew beyond what is allowed for. The
file is written anew after each tenth of the cycles, `complete` from the last on.

8 MB of host memory in 1,000 cycles are 8 kB a cycle: a single input buffer that is not given back (98 kB at batch 32
and 32 × 32 pixels) would be 98 MB. Less cannot be asked for: free memory goes back to the system before each reading,
but the allocator's arenas and the driver's own tables still move by a few MB. `course` tells a step from a slope.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.progress import track

WARM_UP = 50
READINGS = 10
ALLOWED = {"device_mb": 4.0, "host_mb": 8.0, "threads": 0, "files": 0}


def used() -> dict[str, float]:
    """Device and host memory in MB (10^6 bytes), threads and open files of this process."""
    from roundoff.backend import cuda

    gc.collect()
    with suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
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


def main() -> int:
    """Run the cycles and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, required=True, help="an exported FP32 graph")
    parser.add_argument("--module", default="tensorrt_rtx")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    import onnx

    from roundoff.artifact import sha256_of, write_json
    from roundoff.backend.base import Source
    from roundoff.backend.trt import Tensorrt
    from roundoff.platform import fingerprint
    from roundoff.precision.fp16 import Fp16

    model = onnx.load(options.onnx)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    images = np.random.default_rng(0).integers(0, 256, (options.batch, *shape), dtype=np.uint8)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        backend = Tensorrt(module=options.module, profiles=[[1, options.batch, options.batch]], cache=scratch)
        graph = directory / "graph.onnx"
        onnx.save(Fp16().convert(model, backend.grid, None), graph)
        backend.build(Source("fp16", Fp16(), graph, graph, images), directory)
        for _ in track(range(WARM_UP), "warm-up"):
            cycle(backend, directory, images)
        about = {"platform": fingerprint(), "onnx_sha256": sha256_of(options.onnx), "cycles": options.cycles}
        for course in watched(options.cycles, lambda: cycle(backend, directory, images)):
            report = about | {
                "complete": len(course) > READINGS,
                "wall_s": time.perf_counter() - started,
                **verdict(course),
            }
            if options.out:
                write_json(options.out, report)
    print(json.dumps(report, indent=2))
    return 1 if report["leaked"] else 0


def watched(cycles: int, run: Callable[[], None]) -> Iterator[list[dict[str, float]]]:
    """What was used before the first of the cycles and after each tenth of them, so far: once for each tenth."""
    course = [used()]
    for reading in range(READINGS):
        for _ in track(range(cycles * reading // READINGS, cycles * (reading + 1) // READINGS), f"tenth {reading + 1}"):
            run()
        course.append(used())
        yield course


def verdict(course: list[dict[str, float]]) -> dict[str, Any]:
    """What grew from the first reading to the last, and what of it is beyond what is allowed for."""
    before, after = course[0], course[-1]
    grown = {key: after[key] - before[key] for key in before}
    leaked = [key for key, allowed in ALLOWED.items() if grown[key] > allowed]
    return {"grown": grown, "allowed": ALLOWED, "leaked": leaked, "course": course}


if __name__ == "__main__":
    sys.exit(main())
