"""Loads, runs and closes an engine over and over, and says what was not given back.

    python benchmarks/gpu_leaks.py --onnx models/onnx/model.onnx --cycles 1000

Prints JSON; exits with 1 if device memory, host memory, threads or open files grew beyond what is allowed for.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 20
ALLOWED = {"device_mb": 4.0, "host_mb": 32.0, "threads": 0, "files": 0}


def used() -> dict[str, float]:
    """Device and host memory in MB (10^6 bytes), threads and open files of this process."""
    from roundoff.backend import cuda

    gc.collect()
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
    options = parser.parse_args()

    import onnx

    from roundoff.backend.base import Source
    from roundoff.backend.trt import Tensorrt
    from roundoff.precision.fp16 import Fp16

    model = onnx.load(options.onnx)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    images = np.random.default_rng(0).integers(0, 256, (options.batch, *shape), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        backend = Tensorrt(module=options.module, profiles=[[1, options.batch, options.batch]], cache=scratch)
        graph = directory / "graph.onnx"
        onnx.save(Fp16().convert(model, backend.grid, None), graph)
        backend.build(Source("fp16", Fp16(), graph, graph, images), directory)
        for _ in range(WARM_UP):
            cycle(backend, directory, images)
        before = used()
        for _ in range(options.cycles):
            cycle(backend, directory, images)
        after = used()
    grown = {key: after[key] - before[key] for key in before}
    leaked = [key for key, allowed in ALLOWED.items() if grown[key] > allowed]
    print(json.dumps({"cycles": options.cycles, "grown": grown, "allowed": ALLOWED, "leaked": leaked}, indent=2))
    return 1 if leaked else 0


if __name__ == "__main__":
    sys.exit(main())
