"""One other tool quantizes one network, in a process of its own:

    python -m benchmarks.zoo.peer PEER FOLDER --images 320 [--recipe NAME]

FOLDER is laid out as a run's: models/onnx/model.onnx, models/trained, data/prepared. The graph is written to
FOLDER/given/PEER.onnx (or .tflite); printed is a line of JSON: what was chosen. quantize_static's best recipe is chosen
on training images that calibration does not see, unless --recipe names one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.quantizers import by_modelopt, by_nncf, by_onnxruntime
from roundoff.dataset.base import Images, Prepared

HELD_OUT = 1000
RECIPES: dict[str, tuple[str, dict[str, float], list[str] | None]] = {
    "minmax": ("MinMax", {}, None),
    "percentile 99.999": ("Percentile", {"CalibPercentile": 99.999}, None),
    "percentile 99.99": ("Percentile", {"CalibPercentile": 99.99}, None),
    "entropy": ("Entropy", {}, None),
    "minmax, products and sums only": ("MinMax", {}, ["Conv", "Gemm", "MatMul", "Add"]),
    "entropy, products and sums only": ("Entropy", {}, ["Conv", "Gemm", "MatMul", "Add"]),
}
"""Of quantize_static, on the grid of ONNX Runtime's own kernels: method, its settings, the operators if not all."""


@cache
def missing(peer: str, python: str) -> str | None:
    """The distribution that a peer needs and that this interpreter does not have; None where it can run."""
    module, distribution = NEEDS[peer]
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return distribution if subprocess.run([python, "-c", code]).returncode else None


def main(arguments: Sequence[str]) -> int:
    """Quantize, and say what was chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=list(PEERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--recipe", choices=list(RECIPES))
    chosen = parser.parse_args(arguments)
    with contextlib.redirect_stdout(sys.stderr):
        words = PEERS[chosen.peer](chosen.folder, chosen.images, chosen.recipe)
    print(json.dumps({"recipe": words}))
    return 0


def given(folder: Path, peer: str) -> Path:
    """Where a peer's graph lies."""
    return folder / "given" / f"{peer}.{'tflite' if peer == 'tflite' else 'onnx'}"


def _graph(folder: Path) -> Path:
    return folder / "models" / "onnx" / "model.onnx"


def _images(folder: Path, count: int) -> Images:
    return Prepared(folder / "data" / "prepared").calibration_images(count)


def _quantize_static(folder: Path, count: int, recipe: str | None) -> str:
    images = _images(folder, count)
    with tempfile.TemporaryDirectory() as place:
        ready = _preprocessed(_graph(folder), Path(place) / "ready.onnx")
        made = {name: by_onnxruntime(ready, images, *RECIPES[name], {}) for name in ([recipe] if recipe else RECIPES)}
    best = recipe or _best(folder, count, made)
    onnx.save(made[best], given(folder, "onnxruntime"))
    return best


def _preprocessed(source: Path, target: Path) -> Path:
    """Shapes inferred and the graph optimized, as quantize_static's documentation asks for."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    quant_pre_process(source, target, skip_symbolic_shape=True)
    return target


def _best(folder: Path, count: int, made: dict[str, onnx.ModelProto]) -> str:
    """The recipe that agrees with FP32 most often on held-out training images; of equals the one of the least error."""
    prepared = Prepared(folder / "data" / "prepared")
    images = prepared.split("train").images
    rest = np.setdiff1d(np.arange(len(images)), prepared.calibration_indices(count))
    held_out = images[np.random.default_rng(0).permutation(rest)[:HELD_OUT]]
    exact = _logits(onnx.load(_graph(folder)), held_out)

    def merit(name: str) -> tuple[float, float]:
        found = _logits(made[name], held_out)
        return float((found.argmax(1) == exact.argmax(1)).mean()), -float(np.linalg.norm(found - exact))

    return max(made, key=merit)


def _logits(model: onnx.ModelProto, images: Images) -> Any:
    from benchmarks.calibration.measures import logits

    return logits("onnxruntime", model, images)


def _modelopt(method: str) -> Callable[[Path, int, str | None], str]:
    def quantize(folder: Path, count: int, _: str | None) -> str:
        onnx.save(by_modelopt(_graph(folder), _images(folder, count), method), given(folder, f"modelopt_{method}"))
        return method

    return quantize


def _nncf(folder: Path, count: int, _: str | None) -> str:
    onnx.save(by_nncf(_graph(folder), _images(folder, count)), given(folder, "nncf"))
    return "default"


def _stock_tflite(folder: Path, count: int, _: str | None) -> str:
    """TensorFlow's converter with a representative data set: 8-bit weights and activations, uint8 in, float32 out."""
    import tensorflow as tf

    images = _images(folder, count)

    def representative() -> Iterator[list[Any]]:
        for image in images:
            yield [image[None]]

    network = tf.keras.models.load_model(folder / "models" / "trained" / "model.keras", compile=False)
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    given(folder, "tflite").write_bytes(converter.convert())
    return "default"


PEERS = {
    "onnxruntime": _quantize_static,
    "modelopt_entropy": _modelopt("entropy"),
    "modelopt_max": _modelopt("max"),
    "nncf": _nncf,
    "tflite": _stock_tflite,
}
APART = ("modelopt_entropy", "modelopt_max", "nncf")
"""Peers that are no dependency of roundoff, and may be in an environment of their own."""
NEEDS = {
    "onnxruntime": ("onnxruntime", "onnxruntime"),
    "modelopt_entropy": ("modelopt", "nvidia-modelopt[onnx]"),
    "modelopt_max": ("modelopt", "nvidia-modelopt[onnx]"),
    "nncf": ("nncf", "nncf"),
    "tflite": ("tensorflow", "tensorflow"),
}
"""The module and the distribution that each needs."""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
