"""How well the default calibrator does beside the others, on one network: `python -m benchmarks.zoo.study FOLDER SEED`.

FOLDER is laid out as a run's. Every method chooses ranges from the same images; printed is, for each kind of images,
the relative error of the INT8 logits by method, on ONNX Runtime's grid and on training images that chose nothing. With
--backgrounds, also on images whose border is black, white or gray.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from benchmarks.calibration.measures import logits
from benchmarks.calibration.placement import METHODS, studied
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.dataset.base import Prepared
from roundoff.errors import BuildError
from roundoff.precision.int8 import Int8
from roundoff.results.checked import as_json
from roundoff.system.files import sha256_of, write_json

IMAGES, HELD_OUT = 320, 1000
BACKGROUNDS = {"black": 0, "white": 255, "gray": 128}
BORDER = 1 / 4
"""Of the image, on each side."""


def errors(model: onnx.ModelProto, prepared: Prepared, seed: int) -> dict[str, float]:
    """‖INT8 − FP32‖ ÷ ‖FP32‖ of the logits by method."""
    study = studied(model, prepared, seed, IMAGES, HELD_OUT)
    exact = logits("onnxruntime", model, study.images)
    found = {}
    for name, method in METHODS.items():
        made = Int8().convert(model, OnnxRuntime.grid, study.table(method))
        difference = logits("onnxruntime", made, study.images) - exact
        found[name.replace("`", "")] = float(np.linalg.norm(difference) / np.linalg.norm(exact))
    return found


def framed(prepared: Path, target: Path, level: int) -> Prepared:
    """The training images with a border of one gray level around what is in the middle."""
    images = np.load(prepared / "train_images.npy")
    height, width = (int(BORDER * size) for size in images.shape[1:3])
    inside = images[:, height:-height, width:-width].copy()
    images[:] = level
    images[:, height:-height, width:-width] = inside
    np.save(target / "train_images.npy", images)
    shutil.copy(prepared / "train_labels.npy", target / "train_labels.npy")
    manifest = as_json(Prepared(prepared).manifest)
    if manifest["hashes"]:
        manifest["hashes"]["train_images.npy"] = sha256_of(target / "train_images.npy")
    write_json(target / "manifest.json", manifest)
    return Prepared(target)


def main(arguments: Sequence[str]) -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("--backgrounds", action="store_true")
    chosen = parser.parse_args(arguments)
    model, prepared = onnx.load(chosen.folder / "models" / "onnx" / "model.onnx"), chosen.folder / "data" / "prepared"
    print(json.dumps(measured(model, prepared, chosen.seed, chosen.backgrounds)))
    return 0


def measured(model: onnx.ModelProto, prepared: Path, seed: int, backgrounds: bool) -> dict[str, dict[str, float]]:
    """The errors by kind of images; none of a network in which nothing is to be quantized."""
    try:
        found = {"images": errors(model, Prepared(prepared), seed)}
    except BuildError:
        return {}
    for name, level in BACKGROUNDS.items() if backgrounds else ():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = errors(model, framed(prepared, Path(folder), level), seed)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
