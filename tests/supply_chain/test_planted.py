"""Files of a stranger that hold a program are given to each door: none runs it, each ends with an error in words."""

import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.cells.sidecar import read_cell
from roundoff.dataset.base import Prepared
from roundoff.dataset.cifar10 import Cifar10
from roundoff.dataset.image_folder import ImageFolder
from roundoff.errors import RoundoffError
from roundoff.model.keras_file import KerasFile
from roundoff.model.onnx_file import OnnxFile
from roundoff.pipeline.config.params_file import check_params_file
from roundoff.pipeline.mending import mend
from roundoff.results.metrics import read_metrics
from roundoff.results.platform import read_platform
from roundoff.system.arrays import mapped_array, number_series
from roundoff.system.files import read_json, sha256_of
from roundoff.training.trained import read_trained

SHAPE, CLASSES = (8, 8, 3), ("a", "b")


class Program:
    """Unpickled, it writes a file."""

    def __init__(self, seen):
        self.seen = str(seen)

    def __reduce__(self):
        return Path.touch, (Path(self.seen),)


@pytest.fixture
def seen(tmp_path):
    return tmp_path / "seen"


@pytest.fixture
def pickled(seen):
    """The bytes of a pickle that does run where it is opened."""
    content = pickle.dumps(Program(seen))
    pickle.loads(content)  # noqa: S301 - harmless: our own
    assert seen.exists()
    seen.unlink()
    return content


def named(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


DOORS = {
    "calibration table": ("table.json", CalibrationTable.load),
    "sidecar": ("cell.json", lambda path: read_cell(path.parent)),
    "engine": ("model.onnx", lambda path: OnnxRuntime().load(path.parent)),
    "fingerprint": ("platform.json", read_platform),
    "metrics": ("fp32.json", lambda path: read_metrics(path.parent)),
    "trained folder": ("model.json", lambda path: read_trained(path.parent)),
    "any JSON": ("x.json", read_json),
    "parameters": ("params.yaml", check_params_file),
    "manifest": ("manifest.json", lambda path: Prepared(path.parent).manifest),
    "ONNX file": ("model.onnx", lambda path: OnnxFile(str(path)).open(SHAPE, CLASSES)),
    "images": ("train_images.npy", lambda path: Prepared(path.parent).split("train")),
    "predictions": ("onnxruntime.npy", lambda path: mapped_array(path, "float32", 2, "evaluate")),
    "timings": ("batch_1.npz", lambda path: number_series(path, "evaluate")),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_pickle_in_place_of_a_file_is_refused_unopened(tmp_path, seen, pickled, door):
    name, opened = DOORS[door]
    expected = Exception if door == "engine" else RoundoffError  # of an engine, its runtime's own
    with pytest.raises(expected):
        opened(named(tmp_path / "there" / name, pickled))
    assert not seen.exists()


@pytest.mark.parametrize("name", ["train_images.npy", "train_labels.npy"])
def test_arrays_of_objects_are_refused(tmp_path, seen, name):
    for file in ("train_images.npy", "train_labels.npy"):
        np.save(tmp_path / file, np.zeros((1, *SHAPE), np.uint8))
    np.save(tmp_path / name, np.array([Program(seen)], object), allow_pickle=True)
    with pytest.raises(RoundoffError, match="cannot be read"):
        Prepared(tmp_path).split("train")
    assert not seen.exists()


def test_arrays_of_objects_in_an_archive_are_refused(tmp_path, seen):
    np.savez(tmp_path / "batch_1.npz", device_ms=np.array([Program(seen)], object))
    with pytest.raises(RoundoffError, match="cannot be read"):
        number_series(tmp_path / "batch_1.npz", "evaluate")
    assert not seen.exists()


def test_yaml_that_names_a_function_is_refused(tmp_path, seen):
    text = f"seed: !!python/object/apply:os.mkdir ['{seen}']\n"
    with pytest.raises(RoundoffError):
        check_params_file(named(tmp_path / "params.yaml", text.encode()))
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    named(tmp_path / "dvc.lock", f"schema: '2.0'\nstages:\n  a: !!python/object/apply:os.mkdir ['{seen}']\n".encode())
    assert len(mend(tmp_path)) == 1
    assert not seen.exists()


@pytest.mark.parametrize("name", ["train/a/1.png", "train/a/1.pkl", "../outside.png", "/train/a/1.png"])
def test_a_zip_with_a_pickle_for_an_image_is_refused(tmp_path, seen, pickled, name):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for folder in ("train/a", "train/b", "test/a", "test/b"):
            archive.writestr(f"{folder}/0.png", pickled)
        archive.writestr(name, pickled)
    with pytest.raises(RoundoffError), ImageFolder(str(tmp_path / "images.zip"), 8).open() as opened:
        list(opened.read("train"))
    assert not seen.exists()
    assert not (tmp_path.parent / "outside.png").exists()


def test_the_python_archive_of_cifar_is_refused(tmp_path, seen, pickled):
    """Which holds pickles, as that of a stranger would."""
    path = tmp_path / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("data_batch_1", "test_batch"):
            archive.add(named(tmp_path / name, pickled), f"cifar-10-batches-py/{name}")
    with pytest.raises(RoundoffError):
        Cifar10(str(path), "https://example.org/cifar", sha256_of(path)).open()
    assert not seen.exists()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A .keras file that loads: image, a layer named `planted`, an answer."""
    import keras

    image = keras.Input(SHAPE)
    kept = keras.layers.Identity(name="planted")(image)
    path = tmp_path_factory.mktemp("good") / "model.keras"
    keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(kept))).save(path)
    KerasFile(str(path)).open(SHAPE, CLASSES)
    return path


def with_layer(good, layer, path):
    """The good file with another layer in the place of its `planted` one."""
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"] = [
                    {key: value for key, value in each.items() if key in ("name", "inbound_nodes")} | layer
                    if each["name"] == "planted"
                    else each
                    for each in config["config"]["layers"]
                ]
                content = json.dumps(config).encode()
            target.writestr(name, content)


def planted(seen):
    """Layers by which Keras, of one version or another, has run what a file names."""
    touch = {"module": "pathlib", "class_name": "function", "config": "Path", "registered_name": "function"}
    return {
        "a function": {"module": "os", "class_name": "function", "config": "mkdir", "registered_name": "function"},
        "a class": {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", str(seen)]}},
        "an object's call": {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"name": "planted", "function": touch, "arguments": {"a": str(seen)}},
        },
        "a SavedModel": {
            "module": "keras.layers",
            "class_name": "TFSMLayer",
            "config": {"filepath": str(seen.parent / "saved"), "call_endpoint": "serve", "name": "planted"},
        },
        "PyTorch's module": {
            "module": "keras.src.utils.torch_utils",
            "class_name": "TorchModuleWrapper",
            "config": {"module": pickle.dumps(Program(seen)).decode("latin1"), "name": "planted"},
        },
        "a file to be fetched": {
            "module": "keras.utils",
            "class_name": "function",
            "config": "get_file",
            "registered_name": "get_file",
        },
    }


REFUSED = {
    "a class": "Popen",
    "an object's call": "Lambda",
    "a SavedModel": "TFSMLayer",
    "a file to be fetched": "get_file",
}


@pytest.mark.parametrize("what", planted(Path("x")))
def test_a_keras_file_that_names_a_program_is_refused(tmp_path, seen, good, what):
    with_layer(good, planted(seen)[what], tmp_path / "model.keras")
    with pytest.raises(RoundoffError, match=f"does not load as a Keras model(.|\n)*{REFUSED.get(what, '')}"):
        KerasFile(str(tmp_path / "model.keras")).open(SHAPE, CLASSES)
    assert not seen.exists()


def test_a_keras_file_that_is_a_pickle_is_refused(tmp_path, seen, pickled):
    for name in ("model.keras", "model.h5"):
        with pytest.raises(RoundoffError):
            KerasFile(str(named(tmp_path / name, pickled))).open(SHAPE, CLASSES)
    assert not seen.exists()
