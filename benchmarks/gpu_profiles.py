"""What an optimization profile for a range of batch sizes costs beside fixed ones, with TensorRT-RTX.

    python benchmarks/gpu_profiles.py --onnx resnet8=models/onnx/model.onnx --out profiles.json

Of each model two FP16 engines: `range` has one profile, from 1 to the largest batch size; `fixed` has one for each.
They are loaded in turn, behind device memory of random size, `--loads` times; ratios are medians over these pairs of
loads.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gpu_batch import scattered
from gpu_cells import ROTATE, timed
from gpu_harness import commit, named_paths

from roundoff.backend.base import Source
from roundoff.backend.trt import Tensorrt
from roundoff.precision.fp16 import Fp16
from roundoff.progress import track

FIXED, RANGE = "fixed", "range"


def main(arguments: Sequence[str]) -> int:
    """Measure every model, write and print the JSON file."""
    options = parsed(arguments)
    from roundoff.artifact import sha256_of, write_json
    from roundoff.backend import cuda
    from roundoff.lock import device_lock
    from roundoff.platform import fingerprint

    with device_lock(cuda.use_first_device()):
        models = {name: compared(options, path) for name, path in options.onnx.items()}
    hashes = {name: sha256_of(path) for name, path in options.onnx.items()}
    report = {"platform": fingerprint(), "commit": commit(), "onnx_sha256": hashes, "loads": options.loads}
    write_json(options.out, report | {"models": models})
    print(json.dumps(models, indent=2))
    return 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", action="append", required=True, metavar="NAME=PATH", help="may be repeated")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--loads", type=int, default=9, help="of each engine, with compiled kernels in the cache")
    parser.add_argument("--round-ms", type=float, default=100.0, help="device time of a batch size's round, about")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    options.onnx = dict(named_paths(parser, options.onnx))
    if min([*options.batches, options.loads]) < 1:
        parser.error("batch sizes and loads start at 1")
    return options


def compared(options: argparse.Namespace, model: Path) -> dict[str, Any]:
    """Both engines' figures, and by which factor `range` takes longer than `fixed`."""
    with tempfile.TemporaryDirectory() as scratch:
        engines = {name: Path(scratch) / name for name in (FIXED, RANGE)}
        backends = {name: built(options, model, directory) for name, directory in engines.items()}
        cold = {name: lived(options, backends[name], engines[name], None) for name in engines}
        pairs = list(loaded(options, backends, engines))
        size_mb = {name: (engines[name] / Tensorrt.artifact).stat().st_size / 1e6 for name in engines}
    figures = {
        name: {"size_mb": size_mb[name], "first_load_ms": cold[name]["load_ms"]}
        | {key: float(np.median([pair[name][key] for pair in pairs])) for key in cold[name]}
        for name in engines
    }
    ratio = {key: float(np.median([pair[RANGE][key] / pair[FIXED][key] for pair in pairs])) for key in cold[FIXED]}
    return figures | {"range_over_fixed": ratio}


def built(options: argparse.Namespace, model: Path, directory: Path) -> Tensorrt:
    """The backend, its FP16 engine of the model now in `directory`, its caches, empty so far, too."""
    import onnx

    directory.mkdir()
    largest = max(options.batches)
    ranged = [[1, (largest + 1) // 2, largest]] if directory.name == RANGE else None
    backend = Tensorrt(profiles=ranged, batch_sizes=options.batches, cache=str(directory / "cache"))
    graph = directory / "graph.onnx"
    onnx.save(Fp16().convert(onnx.load(model), backend.grid, None), graph)
    backend.build(Source("fp16", Fp16(), graph, None, images_for(graph, 1)), directory)
    return backend


def loaded(
    options: argparse.Namespace, backends: dict[str, Tensorrt], engines: dict[str, Path]
) -> Iterator[dict[str, dict[str, float]]]:
    """Figures of both engines, load after load, the two in turn."""
    random = np.random.default_rng(0)
    for _ in track(range(options.loads), "loads"):
        yield {name: lived(options, backends[name], engines[name], random) for name in engines}


def lived(
    options: argparse.Namespace, backend: Tensorrt, directory: Path, random: np.random.Generator | None
) -> dict[str, float]:
    """One life of an engine: `load_ms`, and `batch_N_ms`, the median device time of each batch size."""
    with scattered(random or np.random.default_rng(0)):
        runner, seconds = timed(lambda: backend.load(directory))
        with runner:
            if random is not None and not runner.cache_was_warm:
                raise RuntimeError(f"kernels were compiled anew: {runner.cache_file} was not kept or is refused")
            found = {"load_ms": 1e3 * seconds}
            for size in options.batches:
                images = images_for(directory / "graph.onnx", size)
                with runner.bind([images] * ROTATE) as bound:
                    probe = float(np.median(bound.device_only(10)))
                    runs = max(10, round(options.round_ms / probe))
                    found[f"batch_{size}_ms"] = float(np.median(bound.device_only(runs)))
    return found


def images_for(graph: Path, batch: int) -> np.ndarray:
    """Random images that the graph takes: uint8 [batch, H, W, C]."""
    import onnx

    shape = [d.dim_value for d in onnx.load(graph).graph.input[0].type.tensor_type.shape.dim][1:]
    return np.random.default_rng(0).integers(0, 256, (batch, *shape), dtype=np.uint8)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
