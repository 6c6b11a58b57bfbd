"""An ONNX graph of another quantizer: pixels in, logits out, and quantized as it was; or refused in words."""

import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from roundoff.backend.base import Source
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.dataset.base import Prepared
from roundoff.errors import ConfigError, DataError
from roundoff.export.given import write_fit
from roundoff.export.given_feeding import Beside, beside
from roundoff.model.taking.preprocessing import Preprocessing, preprocessing_of
from roundoff.precision.given import Given
from roundoff.results.preparation import Manifest
from tests.support.onnx_files import CLASSES, IMAGENET, PIXELS, SHAPE, answers, graph
from tests.support.present import present
from tests.support.quantized import quantized_by_onnxruntime, with_pairs, with_pairs_by_channel

UNIT = preprocessing_of("1/255", 0.0, None, None, "rgb")
LIKE_IMAGENET = preprocessing_of("1/255", 0.0, IMAGENET["mean"], IMAGENET["std"], "bgr")
SOFTMAX = (("Softmax", {"axis": 1}),)
SCALES = {"input.1": 1 / 127, "x4": 3 / 127}


def planes(fed=UNIT, images=PIXELS):
    factors, summands = map(np.array, fed.affine())
    ordered = images[..., ::-1] if fed.channel_order == "bgr" else images
    return (ordered * factors + summands).astype(np.float32).transpose(0, 3, 1, 2)


def softmax(values):
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.fixture
def fit(tmp_path):
    """The graph made fit for the dataset."""

    def fit(model, fed=UNIT, named=None, dataset=CLASSES, **settings):
        path = model
        if isinstance(model, onnx.ModelProto):
            path = tmp_path / "quantized.onnx"
            onnx.save(model, path)
        at = Beside(SHAPE, dataset, fed, named)
        directory = tmp_path / "fit"
        directory.mkdir(exist_ok=True)
        return onnx.load(write_fit(Given(str(path), **settings), at, "given.given", directory))

    return fit


def test_both_formats_of_onnx_runtime_are_taken_whole(fit, tmp_path):
    for qdq in (True, False):
        for signed in (True, False):
            path = quantized_by_onnxruntime(graph(), planes(), tmp_path / "q.onnx", qdq, signed)
            wanted = answers(onnx.load(path), planes())
            np.testing.assert_allclose(answers(fit(path), PIXELS), wanted, atol=1e-6)


@pytest.mark.parametrize("qdq", [True, False])
def test_a_softmax_at_the_end_is_left_out(fit, tmp_path, qdq):
    path = quantized_by_onnxruntime(graph(tail=SOFTMAX), planes(), tmp_path / "q.onnx", qdq)
    wanted = answers(onnx.load(path), planes())
    found = fit(path)
    assert not [node for node in found.graph.node if "oftmax" in node.op_type]
    np.testing.assert_allclose(softmax(answers(found, PIXELS)), wanted, atol=0.5 / 255 + 0.003)


@pytest.mark.parametrize("stored", [True, False], ids=["model_optimizer", "quantization_aware_training"])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_pairs_with_a_scale_per_channel_are_taken(fit, stored, batch):
    made = with_pairs(graph(batch=batch), SCALES, stored)
    wanted = np.concatenate([answers(made, planes()[i : i + 1]) for i in range(len(PIXELS))])
    np.testing.assert_allclose(answers(fit(made), PIXELS), wanted, rtol=1e-4, atol=1e-5)


def test_what_onnx_runtime_fuses_into_a_kernel_that_fails_is_taken_all_the_same(fit):
    """As written it runs; that a cell of it does not is for the cell's row to say."""
    model = with_pairs_by_channel(graph())
    with pytest.raises(Exception, match="zero point must be a scalar"):
        answers(model, planes())
    assert len(fit(model).graph.node) > len(model.graph.node)


def test_what_a_backend_computes_in_is_told(fit, tmp_path):
    """ONNX Runtime multiplies integers only where a Q stands behind the layer, too, as its own quantizer sets them."""
    whole = quantized_by_onnxruntime(graph(), planes(), tmp_path / "q.onnx")
    for made, kinds in ((whole, {"int8", "uint8"}), (with_pairs(graph(), SCALES), {"float32"})):
        onnx.save(fit(made), tmp_path / "graph.onnx")
        source = Source("given", Given("q.onnx"), tmp_path / "graph.onnx", None, PIXELS[:0])
        types = present(OnnxRuntime(threads=1).build(source, tmp_path).layer_types)
        assert sum(types.values()) == 2
        assert set(types) <= kinds


def test_it_is_fed_as_the_model_or_as_it_says(fit):
    fed = LIKE_IMAGENET
    made = with_pairs(graph(), {"input.1": 3 / 127, "x4": 3 / 127})
    wanted = answers(made, planes(fed))
    np.testing.assert_allclose(answers(fit(made, fed), PIXELS), wanted, rtol=1e-4, atol=1e-5)
    found = fit(made, UNIT, channel_order="bgr", **IMAGENET)
    np.testing.assert_allclose(answers(found, PIXELS), wanted, rtol=1e-4, atol=1e-5)


def test_answers_are_put_in_the_datasets_order(fit):
    made = with_pairs(graph(), SCALES)
    wanted = answers(made, planes())
    np.testing.assert_allclose(answers(fit(made, named=tuple("edcba")), PIXELS), wanted[:, ::-1], rtol=1e-4)
    found = fit(made, named=tuple("edcba"), dataset=("b", "a"), classes=["x", "a", "b", "y", "z"])
    np.testing.assert_allclose(answers(found, PIXELS), wanted[:, [2, 1]], rtol=1e-4)


def test_a_graph_made_from_the_exported_one_has_all_inside(fit):
    """From `image` uint8 to `logits` in the dataset's order, whatever the model's own file was."""
    made = with_pairs(graph("image", "logits", "uint8", planes=False), {"planes": 2.0, "x4": 3.0})
    found = fit(made, LIKE_IMAGENET, tuple("edcba"))
    assert [node.op_type for node in found.graph.node[:1]] == ["Cast"]  # TensorRT takes no uint8 but as its input
    np.testing.assert_allclose(answers(found, PIXELS), answers(made, PIXELS), rtol=1e-4)


def test_pixels_of_planes_are_cast_before_they_are_turned(fit):
    """TensorRT has no Transpose of uint8."""
    made = with_pairs(graph(kind="uint8"), {"floats": 2.0, "x4": 3.0})
    found = fit(made)
    assert [node.op_type for node in found.graph.node[:2]] == ["Cast", "Transpose"]
    np.testing.assert_allclose(answers(found, PIXELS), answers(made, PIXELS.transpose(0, 3, 1, 2)), rtol=1e-4)


def dynamic():
    made = graph()
    made.graph.node.insert(
        0, helper.make_node("DynamicQuantizeLinear", ["input.1"], ["y", "scale", "zero"], "/Dynamic")
    )
    return made


def weights_alone():
    made = with_pairs(graph(), SCALES)
    for node in made.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            node.input[0] = "input.1" if node.op_type == "Conv" else "x4"
    return made


@pytest.mark.parametrize(
    ("make", "settings", "error", "words"),
    [
        (graph, {}, DataError, r"is not quantized(.|\n)*2 layers in float32(.|\n)*model=onnx_file"),
        (dynamic, {}, DataError, r"quantized dynamically(.|\n)*DynamicQuantizeLinear /Dynamic(.|\n)*quantize_static"),
        (weights_alone, {}, ConfigError, r"other types(.|\n)*set given.given.activations=float32$"),
        (
            lambda: with_pairs(graph(opset=19), SCALES, kind=TensorProto.FLOAT8E4M3FN),
            {},
            ConfigError,
            r"set given.given.weights=float8_e4m3fn given.given.activations=float8_e4m3fn$",
        ),
        (
            lambda: with_pairs(graph(classes=6), SCALES),
            {},
            DataError,
            r"another number of classes(.|\n)*by given.given.classes",
        ),
        (lambda: with_pairs(graph(size=(9, 10, 3)), SCALES), {}, DataError, r"dataset.size=\[9,10\]"),
        (lambda: with_pairs(graph(), SCALES), {"output": "z"}, ConfigError, r"set given.given.output=495$"),
        (lambda: with_pairs(graph(), SCALES), {"std": 0}, ConfigError, r"given.given.std cannot be used"),
    ],
    ids=["float", "dynamic", "weights", "fp8", "classes", "size", "output", "std"],
)
def test_what_does_not_fit_is_refused_with_the_setting_that_mends_it(fit, make, settings, error, words):
    with pytest.raises(error, match=words):
        fit(make(), **settings)


def test_types_that_are_said_are_taken(fit):
    fit(weights_alone(), activations="float32")
    types = dict.fromkeys(("weights", "activations"), "float8_e4m3fn")
    fit(with_pairs(graph(opset=19), SCALES, kind=TensorProto.FLOAT8E4M3FN), **types)


def test_what_is_in_float16_beside_the_pairs_is_told(fit):
    """As Model Optimizer leaves it by default; large values are no obstacle."""
    made = with_pairs(graph(), {"input.1": 4.0, "x4": 900.0})
    halves = next(tensor for tensor in made.graph.initializer if tensor.name == "conv.bias")
    values = onnx.numpy_helper.to_array(halves).astype(np.float16) + np.float16(3e4)
    halves.CopyFrom(onnx.numpy_helper.from_array(values, "half"))
    made.graph.node.insert(0, helper.make_node("Cast", ["half"], ["conv.bias"], "", to=TensorProto.FLOAT))
    made.graph.node.insert(0, helper.make_node("Identity", ["half"], ["seen"], ""))
    with pytest.raises(ConfigError, match=r"other types(.|\n)*set given.given.remainder=float16$"):
        fit(made)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit(made, Preprocessing(), remainder="float16")
    wanted = answers(made, planes(Preprocessing()))
    np.testing.assert_allclose(answers(found, PIXELS), wanted, rtol=1e-3)


def test_a_missing_file_is_told_by_its_key(fit, tmp_path):
    with pytest.raises(ConfigError, match=r"given.given.path names no file(.|\n)*set given.given.path=PATH"):
        fit(tmp_path / "none.onnx")


def test_how_the_model_is_fed_and_answers_is_read_from_what_train_left(tmp_path):
    from roundoff.model.base import SavedTensorflow
    from roundoff.training.trained import describe

    class Held:
        images = PIXELS

    class Data(Prepared):
        manifest = Manifest(classes=list(CLASSES), shape=list(SHAPE))

        def split(self, name):
            return Held

    (tmp_path / "model.keras").touch()
    saved = SavedTensorflow(form="keras", file="model.keras")
    data = Data(tmp_path)
    describe(tmp_path, saved)
    assert beside(data, tmp_path) == beside(data, None) == Beside(SHAPE, CLASSES, Preprocessing(), None)
    describe(tmp_path, saved, UNIT, tuple("edcba"))
    assert beside(data, tmp_path) == Beside(SHAPE, CLASSES, UNIT, tuple("edcba"))


@pytest.mark.parametrize("path", ["", "model.h5", "model.keras"])
def test_what_is_neither_onnx_nor_tflite_is_refused(path):
    with pytest.raises(ConfigError, match=r"ends in \.onnx or \.tflite"):
        Given(path)
