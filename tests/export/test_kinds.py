"""Kinds of layers, types and models that users bring: exported with parity and their names, or refused in words."""

import json

import numpy as np
import onnx
import pytest

from roundoff.dataset.base import Prepared
from roundoff.errors import ExportError, GateError
from roundoff.export.onnx_from_keras import Export
from roundoff.export.tracing import traced
from roundoff.precision.int8 import Int8

SHAPE, CLASSES = (16, 16, 3), 10
EXPORT = Export(opset=18, parity_images=16, tolerance=1e-4)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    images = np.random.default_rng(0).integers(0, 256, (16, *SHAPE), dtype=np.uint8)
    np.save(folder / "train_images.npy", images)
    np.save(folder / "train_labels.npy", np.zeros(16, np.int64))
    manifest = {"classes": list("0123456789"), "shape": SHAPE, "calibration_indices": list(range(16))}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(folder)


@pytest.fixture
def exported(prepared, tmp_path):
    def export(network, settings=EXPORT):
        network.save(tmp_path / "model.keras")
        figures = settings.onnx_from_keras(tmp_path / "model.keras", prepared, tmp_path / "model.onnx")
        return figures, onnx.load(tmp_path / "model.onnx")

    return export


def network(*build, head_dtype="float32"):
    """A classifier around layers; the first convolution is called `first`."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE, dtype="uint8", name="image")
    x = layers.Conv2D(8, 3, padding="same", name="first")(layers.Rescaling(1 / 127.5, -1.0, name="pixels")(image))
    for layer in build:
        x = layer(layers)(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(image, layers.Dense(CLASSES, dtype=head_dtype, name="head")(x))


def names(model):
    return [node.name for node in model.graph.node]


KINDS = {
    "exact GELU": [lambda layers: layers.Activation("gelu")],
    "grouped convolution": [lambda layers: layers.Conv2D(8, 3, groups=4, activation="relu")],
    "normalization": [lambda layers: layers.Normalization(mean=[0.1] * 8, variance=[0.9] * 8)],
    "normalization with many constants": [
        lambda layers: layers.Reshape((1, 2048)),
        lambda layers: layers.Normalization(mean=[0.1] * 2048, variance=[0.9] * 2048),
    ],
    "group normalization": [lambda layers: layers.GroupNormalization(4)],
    "reshape to several sizes": [
        lambda layers: layers.Reshape((256, 8)),
        lambda layers: layers.Softmax(axis=1),
        lambda layers: layers.Reshape((16, 16, 8)),
    ],
    "transposed convolution, wider than its kernel": [
        lambda layers: layers.Conv2DTranspose(4, 3, strides=3, padding="same", output_padding=1),
        lambda layers: layers.Conv2DTranspose(4, 2, strides=4, padding="same"),
        lambda layers: layers.Conv2DTranspose(4, 2, strides=3, output_padding=2),
    ],
    "GRU": [lambda layers: layers.Reshape((16, 128)), lambda layers: layers.GRU(4)],
    "attention": [
        lambda layers: layers.Reshape((256, 8)),
        lambda layers: lambda x: layers.MultiHeadAttention(2, 4, name="attention")(x, x),
    ],
}


@pytest.mark.slow  # a conversion for each kind
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_layer_is_exported_with_parity(kind, exported):
    figures, model = exported(network(*KINDS[kind]))
    assert figures.relative_error < 1e-5
    assert [value.name for value in model.graph.input] == ["image"]
    assert len(set(names(model))) == len(names(model))


def test_a_small_lstm_stays_one_operator(exported):
    figures, _ = exported(network(lambda layers: layers.Reshape((16, 128)), lambda layers: layers.LSTM(4)))
    assert figures.nodes["LSTM"] == 1


def test_weights_pass_by_the_converter():
    found = traced(network(lambda layers: layers.Dense(2000)))
    assert sum(np.prod(weight.shape) for weight in found.weights.values()) > 5_000_000
    assert found.graph.ByteSize() < 100_000


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_a_model_of_another_float_type_is_exported_in_float32(policy, exported):
    import keras

    keras.mixed_precision.set_dtype_policy(policy)
    try:
        inner = keras.Sequential([keras.layers.Conv2D(8, 3, name="conv"), keras.layers.ReLU()], name="inner")
        made = network(lambda layers: layers.BatchNormalization(), lambda layers: inner)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    figures, model = exported(made)
    assert figures.relative_error < 1e-5
    types = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) > 1}
    assert types == {onnx.TensorProto.FLOAT}
    casts = {node.attribute[0].i for node in model.graph.node if node.op_type == "Cast"}
    assert casts.isdisjoint({onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16})
    assert {"first/Transpose", "first/Conv", "first/Conv/W", "conv/Conv/W"} <= Int8().quantized_tensors(model)


def test_nested_models_keep_the_names_of_their_layers(exported):
    import keras

    conv, block = keras.layers.Conv2D, keras.layers.BatchNormalization
    deep = keras.Sequential([conv(4, 3, name="deep_conv"), block(name="norm")], name="deep")
    trunk = keras.Sequential([conv(4, 3, name="conv"), block(name="norm"), deep], name="trunk")
    other = keras.Sequential([conv(4, 3, name="conv")], name="other")
    _, model = exported(network(lambda _: trunk, lambda _: other))
    found = [node.name for node in model.graph.node if node.op_type == "Conv"]
    assert found == ["first/Conv", "trunk/conv/Conv", "deep_conv/Conv", "other/conv/Conv"]
    weights = {tensor.name for tensor in model.graph.initializer}
    assert {"trunk/conv/Conv/W", "deep_conv/Conv/W", "other/conv/Conv/W"} <= weights


def test_names_that_tensorflow_would_change_or_refuse_survive(exported):
    import keras

    twice = keras.layers.Conv2D(8, 3, padding="same", name="conv")
    layers = [twice, keras.layers.ReLU(), twice, *(keras.layers.Conv2D(8, 3, name=n) for n in ("conv_1", "畳み込み 2"))]
    _, model = exported(network(*((lambda _, layer=layer: layer) for layer in layers)))
    found = [node.name for node in model.graph.node if node.op_type == "Conv"]
    assert found == ["first/Conv", "conv/Conv", "conv/Conv_2", "conv_1/Conv", "畳み込み 2/Conv"]


def test_parts_of_a_layer_are_named_below_it(exported):
    _, model = exported(network(*KINDS["attention"]))
    found = {name.rsplit("/", 1)[0] for name in names(model)}
    assert {"attention/query", "attention/key", "attention/value", "attention/attention_output"} <= found


def test_exporting_leaves_the_network_its_names():
    made = network()
    before = [layer.name for layer in made.layers]
    traced(made)
    assert [layer.name for layer in made.layers] == before


def test_an_operator_that_onnx_lacks_is_refused_by_layer_and_name(exported, tmp_path):
    unknown = [
        lambda layers: layers.Discretization(bin_boundaries=[0.0, 0.5], name="bins"),
        lambda layers: layers.Rescaling(0.5),
    ]
    with pytest.raises(ExportError, match="Bucketize in bins"):
        exported(network(*unknown))
    assert not (tmp_path / "model.onnx").exists()


def test_a_failed_parity_names_the_layer(exported, monkeypatch):
    from roundoff.export import steps

    whole = steps.whole

    def spoiled(model, directory, sources):
        model = onnx.load_from_string(whole(model, directory, sources))
        weights = next(tensor for tensor in model.graph.initializer if tensor.name == "second/Conv/W")
        weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * 1.01, weights.name))
        return model.SerializeToString()

    monkeypatch.setattr(steps, "whole", spoiled)
    layers = [
        lambda layers, name=name: layers.Conv2D(8, 3, activation="relu", name=name) for name in ("second", "third")
    ]
    with pytest.raises(GateError, match="they part at the layer second"):
        exported(network(*layers))


def test_a_model_that_keras_quantized_is_refused(exported):
    made = network(lambda layers: layers.Dense(4, name="middle"))
    made.quantize("int8")
    with pytest.raises(ExportError, match=r"the layer (middle|head) in int8(.|\n)*given.given.path=PATH"):
        exported(made)


def test_code_in_the_file_is_refused(exported):
    with pytest.raises(ExportError, match="does not load as a Keras model"):
        exported(network(lambda layers: layers.Lambda(lambda x: x * 2)))


def test_a_broken_file_is_refused(prepared, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"junk")
    with pytest.raises(ExportError, match="does not load as a Keras model"):
        EXPORT.onnx_from_keras(tmp_path / "model.keras", prepared, tmp_path / "model.onnx")
