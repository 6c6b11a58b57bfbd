"""One network in a process of its own, so that what it takes is its own:

python -m benchmarks.export.network save FOLDER NAME ...
python -m benchmarks.export.network export FOLDER NAME

`save` writes FOLDER/NAME.keras with weights that no folding may lose; `export` does with it what the export stage does,
and prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.export import nets
from roundoff.dataset.base import Prepared
from roundoff.errors import RoundoffError

IMAGES, OPSET, TOLERANCE = 32, 18, 1e-4


def file_of(folder: Path, name: str) -> Path:
    """Where the network lies in the folder."""
    return folder / f"{name.replace(' ', '_').replace(',', '')}.keras"


def save(folder: Path, name: str) -> None:
    """Build the network, untrained but for vectors (batch norm's, biases) that differ from 0 and 1, and save it."""
    import keras

    keras.utils.set_random_seed(0)
    network = nets.layer_net(name) if name in nets.LAYERS else nets.application(name)
    random = np.random.default_rng(0)
    for variable in network.weights:
        if len(variable.shape) == 1 and "float" in variable.dtype:
            variable.assign(np.abs(np.asarray(variable) + random.normal(0, 0.1, variable.shape)))
    network.save(file_of(folder, name))
    keras.backend.clear_session()


def export(path: Path) -> dict[str, Any]:
    """What the export stage makes of the network: its parity, or the words that refuse it, or a traceback.

    `litert` is "yes", or why there is no .tflite file.
    """
    from roundoff.export.onnx_from_keras import Export
    from roundoff.export.tflite_folder import float_tflite

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        trained, prepared = trained_folder(path, directory), prepared_images(path, directory)
        export, onnx, tflite = Export(OPSET, IMAGES, TOLERANCE), directory / "model.onnx", directory / "tflite"
        try:
            facts = export.graphs_from_trained(trained, prepared, onnx, tflite)
        except RoundoffError as error:
            return {"outcome": "refused", "words": " ".join(str(error).split())}
        except Exception:
            return {"outcome": "traceback", "words": traceback.format_exc()}
        made, why = float_tflite(tflite)
    said = {"litert": "yes" if made else str(why)}
    return {"outcome": "exported", "relative_error": facts.relative_error, "size_mb": facts.size_mb} | said


def trained_folder(path: Path, directory: Path) -> Path:
    """The network as the train stage leaves one."""
    folder = directory / "trained"
    folder.mkdir()
    (folder / "model.keras").symlink_to(path.resolve())
    (folder / "model.json").write_text(json.dumps({"format": 1, "form": "keras", "file": "model.keras"}))
    return folder


def prepared_images(path: Path, directory: Path) -> Prepared:
    """Smooth random images of the network's size, as the prepare stage leaves them."""
    shape = image_shape(path)
    random = np.random.default_rng(1)
    coarse = random.uniform(0, 255, (IMAGES, 4, 4, shape[2]))
    fine = coarse.repeat(-(-shape[0] // 4), axis=1).repeat(-(-shape[1] // 4), axis=2)
    noisy = fine[:, : shape[0], : shape[1]] + random.normal(0, 12, (IMAGES, *shape))
    np.save(directory / "train_images.npy", np.clip(noisy, 0, 255).astype(np.uint8))
    np.save(directory / "train_labels.npy", np.zeros(IMAGES, np.int64))
    classes = [str(number) for number in range(nets.CLASSES)]
    manifest = {"shape": shape, "classes": classes, "calibration_indices": list(range(IMAGES))}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(directory)


def image_shape(path: Path) -> list[int]:
    """Height, width and channels of a saved network's input, without Keras."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    return [int(size) for size in config["config"]["layers"][0]["config"]["batch_shape"][1:]]


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    what, folder, *names = arguments
    if what == "export":
        print(json.dumps(export(file_of(Path(folder), names[0]))))
        return
    for name in names:
        save(Path(folder), name)


if __name__ == "__main__":
    main(sys.argv[1:])
