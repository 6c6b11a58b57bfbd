import dataclasses
import json
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.datasets import load_digits

from roundoff.dataset.base import Prepared
from roundoff.errors import ConfigError, DataError, GateError
from roundoff.export import steps
from roundoff.export.onnx_from_keras import Export
from roundoff.export.parity import argmax_differences
from roundoff.graph.provenance import read_provenance
from roundoff.graph.queries import SEAL, model_hash, sealed_with
from roundoff.model.keras_file import KerasFile
from roundoff.model.mobilenet import MobileNetV2
from roundoff.model.resnet import ResNet
from roundoff.results.checked import as_json
from roundoff.system.files import sha256_of

EXPORT = Export(opset=18, parity_images=100, tolerance=1e-4)
SHAPE = (16, 16, 3)
MODELS = {"resnet": ResNet(1, 8), "mobilenet": MobileNetV2(0.1, [1, 1, 1, 2, 2, 1, 1, 1])}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    directory = tmp_path_factory.mktemp("prepared")
    digits = load_digits()
    images = digits.images[:200].repeat(2, axis=1).repeat(2, axis=2)
    np.save(directory / "train_images.npy", np.repeat((images[..., None] * 15.9).astype(np.uint8), 3, axis=3))
    np.save(directory / "train_labels.npy", digits.target[:200].astype(np.int64))
    manifest = {"classes": list("0123456789"), "shape": SHAPE, "calibration_indices": list(range(0, 200, 2))}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(directory)


def write_keras(model, path):
    """A model whose batch norms have statistics, scales and offsets that cannot be dropped."""
    network = model.build(SHAPE, 10, [70.0, 80.0, 90.0], [60.0, 50.0, 40.0])
    random = np.random.default_rng(0)
    vectors = [np.abs(random.normal(1, 0.2, w.shape)) if w.ndim == 1 else w for w in network.get_weights()]
    network.set_weights(vectors)
    network.save(path)


@pytest.fixture(scope="module", params=["resnet", pytest.param("mobilenet", marks=pytest.mark.slow)])
def exported(request, prepared, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    write_keras(MODELS[request.param], directory / "model.keras")
    metrics = EXPORT.onnx_from_keras(directory / "model.keras", prepared, directory / "model.onnx")
    return metrics, directory


def test_a_wrapped_model_of_ones_own_is_exported(prepared, tmp_path):
    import keras

    image = keras.Input(SHAPE, dtype="float32")
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=2, activation="relu")(image))
    keras.Model(image, keras.layers.Dense(10, activation="softmax")(x)).save(tmp_path / "own.keras")
    model = KerasFile(str(tmp_path / "own.keras"), scale=1 / 255)
    model.open(SHAPE, tuple("0123456789")).with_preprocessing(model.preprocessing).save(tmp_path)
    found = EXPORT.onnx_from_keras(tmp_path / "model.keras", prepared, tmp_path / "model.onnx")
    assert found.images == 100
    assert found.argmax_mismatches == 0
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["image", "logits"]


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    write_keras(MODELS["resnet"], path)
    return path


def test_the_graph_computes_what_keras_computes(exported):
    metrics, _ = exported
    assert metrics.relative_error < 1e-5
    assert (metrics.argmax_mismatches, metrics.images) == (0, 100)


def test_input_output_and_batch_dimension_are_as_promised(exported):
    session = onnxruntime.InferenceSession(exported[1] / "model.onnx", providers=["CPUExecutionProvider"])
    (image,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", ["N", *SHAPE])
    assert (logits.name, logits.type, logits.shape) == ("logits", "tensor(float)", ["N", 10])
    for batch in (1, 3):
        assert session.run(None, {"image": np.zeros((batch, *SHAPE), np.uint8)})[0].shape == (batch, 10)


def test_batch_norm_is_folded_and_one_transpose_is_left(exported):
    model = onnx.load(exported[1] / "model.onnx")
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators["Transpose"] == 1
    assert operators["BatchNormalization"] == 0
    assert operators["Mul"] == 1  # the preprocessing's
    constants = {tensor.name for tensor in model.graph.initializer}
    scaled = [node.name for node in model.graph.node if node.op_type == "Add" and constants & set(node.input)]
    assert scaled == ["normalise/Add"]
    assert all(len(node.input) == 3 for node in model.graph.node if node.op_type == "Conv")


def test_the_graph_is_lean_and_every_tensor_has_a_shape(exported):
    metrics, directory = exported
    model = onnx.load(directory / "model.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert model.ir_version == metrics.ir_version <= 10
    assert sealed_with(model) == model_hash(model)
    shaped = {value.name for value in (*model.graph.value_info, *model.graph.output)}
    assert {name for node in model.graph.node for name in node.output} <= shaped


def test_the_graph_says_which_images_and_which_model_it_is_of(exported, prepared):
    metrics, directory = exported
    model = onnx.load(directory / "model.onnx")
    hashes = {"data": prepared.sha256, "model": metrics.keras_sha256}
    assert read_provenance(model) == hashes
    assert hashes["model"] == sha256_of(directory / "model.keras")
    assert {entry.key for entry in model.metadata_props} == {"roundoff.data_sha256", "roundoff.model_sha256", SEAL}


def test_nodes_and_weights_are_named_after_keras_layers(exported):
    model = onnx.load(exported[1] / "model.onnx")
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    assert convolution.name == convolution.output[0] == "stem_conv/Conv"
    assert list(convolution.input)[1:] == ["stem_conv/Conv/W", "stem_conv/Conv/B"]
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)


def test_the_same_keras_file_gives_the_same_bytes(exported, prepared, tmp_path):
    metrics, directory = exported
    again = EXPORT.onnx_from_keras(directory / "model.keras", prepared, tmp_path / "again.onnx")
    assert again == metrics
    assert sha256_of(tmp_path / "again.onnx") == metrics.onnx_sha256


def test_facts_of_the_graph_are_reported(exported):
    metrics, directory = exported
    graph = onnx.load(directory / "model.onnx").graph
    assert metrics.nodes == Counter(node.op_type for node in graph.node)
    assert metrics.size_mb == (directory / "model.onnx").stat().st_size / 1e6
    assert metrics.keras_sha256 == sha256_of(directory / "model.keras")


def test_a_graph_that_computes_something_else_is_not_written(keras_file, prepared, tmp_path, monkeypatch):
    whole = steps.whole

    def spoiled(model, directory, sources):
        model = onnx.load_from_string(whole(model, directory, sources))
        weights = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
        weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * 1.01, weights.name))
        return model.SerializeToString()

    monkeypatch.setattr(steps, "whole", spoiled)
    with pytest.raises(GateError, match="does not compute what the Keras model computes"):
        EXPORT.onnx_from_keras(keras_file, prepared, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_shape_is_refused(keras_file, prepared, tmp_path):
    other = as_json(dataclasses.replace(prepared.manifest, shape=[32, 32, 3]))
    (tmp_path / "manifest.json").write_text(json.dumps(other))
    with pytest.raises(DataError, match="does not fit the prepared dataset"):
        EXPORT.onnx_from_keras(keras_file, Prepared(tmp_path), tmp_path / "model.onnx")


def test_a_missing_model_is_named(prepared, tmp_path):
    with pytest.raises(DataError, match="no Keras model to export"):
        EXPORT.onnx_from_keras(tmp_path / "model.keras", prepared, tmp_path / "model.onnx")


def test_another_keras_backend_is_refused(keras_file, prepared, tmp_path, monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ConfigError, match="cannot export from"):
        EXPORT.onnx_from_keras(keras_file, prepared, tmp_path / "model.onnx")


def test_an_opset_that_tf2onnx_does_not_know_is_refused(keras_file, prepared, tmp_path):
    with pytest.raises(ConfigError, match=r"export.opset is newer"):
        dataclasses.replace(EXPORT, opset=99).onnx_from_keras(keras_file, prepared, tmp_path / "model.onnx")


@pytest.mark.parametrize(("key", "value"), [("opset", 17), ("parity_images", 0), ("tolerance", 0.0)])
def test_a_setting_out_of_range_is_named(key, value):
    with pytest.raises(ConfigError, match=f"export.{key}"):
        dataclasses.replace(EXPORT, **{key: value})


ROWS = arrays.arrays(np.float32, (5, 4), elements=st.floats(-100, 100, width=32))


@given(ROWS)
def test_equal_logits_differ_nowhere(logits):
    assert argmax_differences(logits, logits, 1e-4) == (0, 0)


def test_a_close_call_is_a_tie_and_a_clear_one_a_mismatch():
    expected = np.array([[10.0, 9.9999], [10.0, 9.0], [1.0, 0.0]], np.float32)
    received = np.array([[9.9999, 10.0], [9.0, 10.0], [1.0, 0.0]], np.float32)
    assert argmax_differences(received, expected, 1e-4) == (1, 1)
