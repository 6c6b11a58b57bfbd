"""The float .tflite file that export leaves for LiteRT, or the reason why there is none."""

import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from roundoff.dataset.base import Prepared
from roundoff.errors import DataError
from roundoff.export import tflite_from_keras
from roundoff.export.onnx_from_keras import Export
from roundoff.export.tflite_folder import float_tflite
from roundoff.export.tflite_from_keras import tflite_from_trained
from roundoff.pipeline import apart
from tests.support.exported import residual_source


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return residual_source(tmp_path_factory)


def trained(folder, form, name):
    (folder / "model.json").write_text(json.dumps({"format": 1, "form": form, "file": name}))
    (folder / name).touch()


def test_one_model_gives_the_same_bytes(source, tmp_path):
    tflite_from_trained(source.keras.parent, tmp_path / "tflite")
    assert float_tflite(tmp_path / "tflite")[0] == tmp_path / "tflite" / "model.tflite"
    assert (tmp_path / "tflite" / "model.tflite").read_bytes() == source.tflite.read_bytes()


def test_of_an_onnx_file_there_is_none_and_the_folder_says_so(tmp_path):
    trained(tmp_path, "onnx", "model.onnx")
    tflite_from_trained(tmp_path, tmp_path / "tflite")
    path, why = float_tflite(tmp_path / "tflite")
    assert (path, why.code) == (None, "no_keras_but_onnx")


def test_of_a_layer_without_a_kernel_the_folder_names_the_operator(tmp_path):
    import keras

    image = keras.Input((3, 8, 8), dtype="uint8", name="image")
    trained(tmp_path, "keras", "model.keras")
    keras.Model(image, keras.ops.cholesky(keras.layers.Rescaling(1.0)(image))).save(tmp_path / "model.keras")
    tflite_from_trained(tmp_path, tmp_path / "tflite")
    path, why = float_tflite(tmp_path / "tflite")
    assert (path, why.code) == (None, "not_convertible")
    # the operator, and where it stands, without the functions of TensorFlow's graph around it
    assert re.search(r": 'tf.Cholesky' op is neither a custom op nor a flex op \(functional\w*/Cholesky\)$", str(why))


def test_names_that_tensorflow_refuses_are_no_hindrance(tmp_path):
    import keras

    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = keras.layers.Conv2D(4, 3, name="畳み込み 2")(keras.layers.Rescaling(1.0, name="a:b")(image))
    trained(tmp_path, "keras", "model.keras")
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(x), name="classifier").save(tmp_path / "model.keras")
    tflite_from_trained(tmp_path, tmp_path / "tflite")
    path, why = float_tflite(tmp_path / "tflite")
    assert path, why


def test_keras_on_another_backend_gives_none(source, tmp_path, monkeypatch):
    import keras

    shutil.copytree(source.keras.parent, tmp_path / "trained")
    monkeypatch.setattr(keras, "backend", SimpleNamespace(backend=lambda: "jax"))
    tflite_from_trained(tmp_path / "trained", tmp_path / "tflite")
    assert str(float_tflite(tmp_path / "tflite")[1]).endswith("the export ran on jax")


def test_all_that_takes_keras_ends_before_the_converter_begins(source, tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "THREADED", ())  # the child imports nothing
    seen = []
    monkeypatch.setattr(Export, "onnx_from_trained", lambda *_: f"metrics by {os.getpid()}")
    monkeypatch.setattr(tflite_from_keras, "saved_from_trained", lambda _, scratch: scratch / str(os.getpid()))
    monkeypatch.setattr(tflite_from_keras, "tflite_from_saved", lambda *given: seen.append((*given, os.getpid())))
    prepared = Prepared(source.keras.parent.parent)
    metrics = Export(18, 16, 1e-3).graphs_from_trained(tmp_path, prepared, tmp_path / "model.onnx", tmp_path / "tflite")
    ((saved, output, here),) = seen
    assert (output, here) == (tmp_path / "tflite", os.getpid())
    assert str(metrics) == f"metrics by {saved.name}"
    with pytest.raises(ProcessLookupError):
        os.kill(int(saved.name), 0)
    assert not saved.parent.exists()


@pytest.mark.slow  # TensorFlow is imported twice
def test_both_graphs_are_made_apart_and_the_first_leaves_no_library_here(source, tmp_path):
    program = """
import os, sys
from pathlib import Path
from roundoff.dataset.base import Prepared
from roundoff.export import tflite_from_keras
from roundoff.export.onnx_from_keras import Export

trained, prepared, output = map(Path, sys.argv[1:])
here = os.getpid()
written, convert = tflite_from_keras.saved_from_trained, tflite_from_keras.tflite_from_saved

def saved(*arguments):
    assert os.getpid() != here
    assert (output / "model.onnx").exists()
    return written(*arguments)

def converted(*arguments):
    assert os.getpid() == here
    assert not {"tensorflow", "keras", "onnxruntime", "tf2onnx"} & sys.modules.keys()
    convert(*arguments)

tflite_from_keras.saved_from_trained, tflite_from_keras.tflite_from_saved = saved, converted
facts = Export(18, 16, 1e-3).graphs_from_trained(trained, Prepared(prepared), output / "model.onnx", output / "tflite")
assert facts.relative_error < 1e-5
"""
    folder = source.keras.parent
    subprocess.run([sys.executable, "-c", program, str(folder), str(folder.parent), str(tmp_path)], check=True)
    assert (tmp_path / "model.onnx").read_bytes() == source.graph.read_bytes()
    assert (tmp_path / "tflite" / "model.tflite").read_bytes() == source.tflite.read_bytes()


def test_each_weight_is_written_once_for_the_converter(tmp_path):
    import keras

    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1.0)(image))
    trained(tmp_path, "keras", "model.keras")
    keras.Model(image, keras.layers.Dense(5000)(flat)).save(tmp_path / "model.keras")
    assert tflite_from_keras.saved_from_trained(tmp_path, tmp_path / "saved") == tmp_path / "saved"
    written = sum(path.stat().st_size for path in (tmp_path / "saved" / "variables").iterdir())
    weights = 4 * (8 * 8 * 3 + 1) * 5000
    assert weights <= written < 1.1 * weights


def test_without_a_folder_the_row_says_so():
    assert float_tflite(None) == (None, float_tflite(None)[1])
    assert float_tflite(None)[1].code == "no_tflite"


def test_a_folder_of_neither_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no float model for LiteRT"):
        float_tflite(tmp_path)
