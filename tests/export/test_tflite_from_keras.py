"""The float .tflite file that export leaves for LiteRT, or the reason why there is none."""

import json
import shutil
from types import SimpleNamespace

import pytest

from roundoff.errors import DataError
from roundoff.export.tflite_folder import float_tflite
from roundoff.export.tflite_from_keras import tflite_from_trained
from tests.support.exported import exported, residual


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return exported(residual(), tmp_path_factory.mktemp("exported"))


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
    assert "Cholesky" in str(why)


def test_keras_on_another_backend_gives_none(source, tmp_path, monkeypatch):
    import keras

    shutil.copytree(source.keras.parent, tmp_path / "trained")
    monkeypatch.setattr(keras, "backend", SimpleNamespace(backend=lambda: "jax"))
    tflite_from_trained(tmp_path / "trained", tmp_path / "tflite")
    assert str(float_tflite(tmp_path / "tflite")[1]).endswith("the export ran on jax")


def test_without_a_folder_the_row_says_so():
    assert float_tflite(None) == (None, float_tflite(None)[1])
    assert float_tflite(None)[1].code == "no_tflite"


def test_a_folder_of_neither_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no float model for LiteRT"):
        float_tflite(tmp_path)
