"""What an optimization profile for a range of batch sizes costs beside fixed ones, with TensorRT-RTX.

    python -m benchmarks.gpu profiles --onnx resnet8=models/onnx/model.onnx --out profiles.json

Of each model two FP16 engines: `range` has one profile, from 1 to the largest batch size; `fixed` has one for each
batch size. They are loaded in turn, behind device memory of random size, `--loads` times; figures and ratios are
medians over these pairs of loads.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpu.batch import runs_of, scattered, warm_up
from benchmarks.gpu.cells import INPUT_BUFFERS, timed
from benchmarks.gpu.engine import build_fp16, random_images
from benchmarks.gpu.harness import commit, named_paths
from roundoff.backend.trt.backend import Tensorrt
from roundoff.system.progress import track

FIXED, RANGE = "fixed", "range"


def main(arguments: Sequence[str]) -> int:
    """Measure every model, write and print the JSON file."""
    options = parsed(arguments)
    from roundoff.backend import cuda
    from roundoff.backend.fingerprint import fingerprint
    from roundoff.results.checked import as_json
    from roundoff.system.device_lock import device_lock
    from roundoff.system.files import sha256_of, write_json

    with device_lock(cuda.use_first_device()):
        models = {name: compared(options, path) for name, path in options.onnx.items()}
    hashes = {name: sha256_of(path) for name, path in options.onnx.items()}
    report = {"platform": as_json(fingerprint()), "commit": commit(), "onnx_sha256": hashes, "loads": options.loads}
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
    largest = max(options.batches)
    profiles = {FIXED: None, RANGE: [[1, (largest + 1) // 2, largest]]}
    with tempfile.TemporaryDirectory() as scratch:
        engines = {name: built(options, model, Path(scratch) / name, given) for name, given in profiles.items()}
        size_mb = {
            name: (engine.directory / Tensorrt.artifact).stat().st_size / 1e6 for name, engine in engines.items()
        }
        cold = {name: lived(options, engine) for name, engine in engines.items()}
        pairs = list(loaded(options, engines))
    figures = {
        name: {"size_mb": size_mb[name], "first_load_ms": cold[name]["load_ms"]}
        | {key: float(np.median([pair[name][key] for pair in pairs])) for key in cold[name]}
        for name in engines
    }
    ratio = {key: float(np.median([pair[RANGE][key] / pair[FIXED][key] for pair in pairs])) for key in cold[FIXED]}
    return figures | {"range_over_fixed": ratio}


class Engine(NamedTuple):
    """A built engine's directory, the backend that loads it, with caches of its own, and what it is timed with."""

    backend: Tensorrt
    directory: Path
    images: list[np.ndarray]


def built(options: argparse.Namespace, model: Path, directory: Path, profiles: list[list[int]] | None) -> Engine:
    """The model's FP16 engine, its kernels not yet compiled."""
    directory.mkdir()
    backend = Tensorrt(profiles=profiles, batch_sizes=options.batches, cache=str(directory / "cache"))
    build_fp16(backend, model, directory)
    return Engine(backend, directory, [random_images(model, size) for size in options.batches])


def loaded(options: argparse.Namespace, engines: dict[str, Engine]) -> Iterator[dict[str, dict[str, float]]]:
    """Figures of both engines, load after load; which comes first changes."""
    random = np.random.default_rng(0)
    for number in track(range(options.loads), "loads"):
        order = list(engines) if number % 2 else list(reversed(engines))
        pair = {}
        for name in order:
            with scattered(random):
                pair[name] = lived(options, engines[name], cold=False)
        yield pair


def lived(options: argparse.Namespace, engine: Engine, cold: bool = True) -> dict[str, float]:
    """One life of an engine: `load_ms`, and `batch_N_ms`, the median device time of each batch size."""
    runner, seconds = timed(lambda: engine.backend.load(engine.directory))
    with runner:
        if runner.cache_was_warm == cold:
            raise RuntimeError(f"compiled kernels were {'' if cold else 'not '}in the cache, {runner.cache_file}")
        return {"load_ms": 1e3 * seconds} | {
            f"batch_{len(images)}_ms": device_ms(options, runner, images) for images in engine.images
        }


def device_ms(options: argparse.Namespace, runner: Any, images: np.ndarray) -> float:
    """The median of one round's device times, after a warm-up."""
    with runner.bind([images] * INPUT_BUFFERS) as bound:
        warm_up(lambda: bound.device_only(INPUT_BUFFERS))
        return float(np.median(bound.device_only(runs_of(options, float(np.median(bound.device_only(INPUT_BUFFERS)))))))
