"""ONNX files that cannot be taken, or only once one says how."""

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.errors import ConfigError, DataError
from roundoff.model.onnx_file import OnnxFile
from roundoff.model.taking import onnx_reading
from tests.support.onnx_files import PIXELS, answers, graph, taken


def test_what_forbids_another_batch_is_named(saved):
    model = graph(batch=1)
    token = numpy_helper.from_array(np.zeros((1, 4), np.float32), "token")
    model.graph.initializer.append(token)
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    model.graph.node.insert(4, helper.make_node("Concat", ["x4", "token"], ["joined"], "/tokens/Concat", axis=1))
    model.graph.node.insert(5, helper.make_node("Slice", ["joined", "s0", "s1", "s2"], ["cut"], "/tokens/Slice"))
    for name, value in (("s0", [0]), ("s1", [4]), ("s2", [1])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    gemm.input[0] = "cut"
    with pytest.raises(DataError, match=r"batch of 1, and cannot be opened(.|\n)*Concat /tokens/Concat"):
        taken(saved(model))


def test_images_that_act_on_each_other_are_no_batch(saved):
    model = graph(batch=1)
    axes = numpy_helper.from_array(np.array([0]), "axes")
    model.graph.initializer.append(axes)
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    model.graph.node.remove(relu)
    model.graph.node.insert(1, helper.make_node("ReduceMean", ["x1"], ["m"], "/norm/Mean", axes=[0], keepdims=1))
    model.graph.node.insert(2, helper.make_node("Add", ["x1", "m"], ["x2"], "/norm/Add"))
    with pytest.raises(DataError, match=r"part at Add /norm/Add"):
        taken(saved(model))


def test_more_than_two_gigabytes_are_refused_in_words(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    onnx.save(graph(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    monkeypatch.setattr(onnx_reading, "LARGEST_BYTES", path.stat().st_size + 100)
    with pytest.raises(DataError, match=r"too large for one ONNX file(.|\n)*GB with its weights"):
        taken(OnnxFile(str(path)))


def with_operator(operator, domain=""):
    model = graph()
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = operator, domain
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def half():
    model = graph()
    weight = model.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), weight.name))
    return model


def two_inputs():
    model = graph()
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch"]))
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            with_operator("DynamicQuantizeLinear"),
            r"is quantized already(.|\n)*1 operators such as DynamicQuantizeLinear",
        ),
        (
            with_operator("QLinearConv"),
            r"is quantized already(.|\n)*beside it by precision=\[.*,given\] given.given.path=/",
        ),
        (with_operator("QLinearAdd", "com.microsoft"), r"is quantized already"),
        (with_operator("FusedConv", "com.microsoft"), r"operators that ONNX.*(.|\n)*com.microsoft.FusedConv /Relu"),
        (half(), r"in a 16-bit type already(.|\n)*conv.weight in float16(.|\n)*model.float\(\)"),
        (two_inputs(), r"does not take one image(.|\n)*input.1, mask"),
        (graph(size=(12, 10, 3)), r"made for other images(.|\n)*12 × 10 × 3(.|\n)*set dataset.size=\[12,10\],"),
        (graph(size=(8, 10, 1)), r"made for other images(.|\n)*set dataset.channels=1,"),
        (graph(opset=10), r"operator set that is too old(.|\n)*opset 10"),
    ],
    ids=lambda value: value if isinstance(value, str) else "model",
)
def test_what_cannot_be_taken_is_refused_in_words(saved, model, message):
    with pytest.raises(DataError, match=message):
        taken(saved(model))


def test_a_tflite_file_is_judged_as_given(tmp_path):
    (tmp_path / "model.tflite").touch()
    with pytest.raises(DataError, match=r"is a LiteRT model(.|\n)*model=keras_file(.|\n)*given.given.path=.*tflite$"):
        taken(OnnxFile(str(tmp_path / "model.tflite")))


def test_a_layout_that_cannot_be_seen_is_asked_for(saved):
    model = graph(planes=False, size=(3, 3, 3))
    source = saved(model)
    with pytest.raises(DataError, match=r"does not tell the layout(.|\n)*model.layout=nchw"):
        taken(source, shape=(3, 3, 3))
    source = dataclasses.replace(source, layout="nhwc")
    pixels = PIXELS[:, :3, :3]
    wanted = answers(model, pixels.astype(np.float32))
    np.testing.assert_allclose(taken(source, shape=(3, 3, 3)).logits(pixels), wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, r"model\.path names no file"), (b"junk", "is no ONNX model"), (b"", "is no ONNX model")],
)
def test_a_file_that_is_none_is_refused(tmp_path, content, message):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((ConfigError, DataError), match=message):
        taken(OnnxFile(str(path)))
