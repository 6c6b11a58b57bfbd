"""A classifier from an ONNX file, of whatever shape exporters give it: taken whole, or refused in words."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from roundoff.errors import ConfigError, DataError
from roundoff.model.onnx_file import OnnxFile
from tests.support.onnx_files import CLASSES, IMAGENET, PIXELS, SHAPE, answers, graph, taken


def normalised(order=slice(None)):
    values = PIXELS[..., order] / 255
    mean, std = (np.array(IMAGENET[key]) for key in ("mean", "std"))
    return ((values - mean) / std).astype(np.float32)


@pytest.mark.parametrize("opset", [11, 12, 13, 17, 18, 21])
def test_a_pytorch_export_gets_normalised_planes(saved, opset):
    model = graph(opset=opset)
    wanted = answers(model, normalised().transpose(0, 3, 1, 2))
    np.testing.assert_allclose(taken(saved(model, **IMAGENET)).logits(PIXELS), wanted, rtol=1e-4, atol=1e-4)


def test_bgr_is_in_the_graph(saved):
    model = graph()
    wanted = answers(model, normalised(slice(None, None, -1)).transpose(0, 3, 1, 2))
    found = taken(saved(model, channel_order="bgr", **IMAGENET)).logits(PIXELS)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("planes", [True, False])
@pytest.mark.parametrize("kind", ["float", "uint8"])
@pytest.mark.parametrize("names", [("image", "logits"), ("logits", "image"), ("x1", "preprocessing/out")])
def test_any_layout_type_and_names(saved, planes, kind, names):
    if names[0] == "x1":
        names = ("input:0", "dense/Softmax:0")
    model = graph(names[0], names[1], kind=kind, planes=planes)
    inputs = PIXELS.transpose(0, 3, 1, 2) if planes else PIXELS
    wanted = answers(model, inputs if kind == "uint8" else inputs.astype(np.float32))
    whole = taken(saved(model)).graph
    np.testing.assert_allclose(answers(whole, PIXELS), wanted, rtol=1e-5, atol=1e-4)
    (image,), (logits,) = whole.graph.input, whole.graph.output
    assert (image.name, logits.name) == ("image", "logits")
    onnx.checker.check_model(whole, full_check=True)


def test_a_fixed_batch_is_opened(saved):
    wanted = answers(graph(), PIXELS.astype(np.float32).transpose(0, 3, 1, 2))
    for batch in (1, 4):
        np.testing.assert_allclose(taken(saved(graph(batch=batch))).logits(PIXELS), wanted, rtol=1e-5, atol=1e-4)


def test_minus_one_is_an_open_size(saved):
    model = graph(batch=-1, size=(-1, -1, 3))
    wanted = answers(graph(), PIXELS.astype(np.float32).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(taken(saved(model)).logits(PIXELS), wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    "tail", [[("Softmax", {"axis": 1})], [("LogSoftmax", {"axis": -1}), ("Identity", {})], [("Sigmoid", {})]], ids=str
)
def test_a_softmax_at_the_end_is_left_out(saved, tail):
    wanted = answers(graph(), PIXELS.astype(np.float32).transpose(0, 3, 1, 2))
    opened = saved(graph(tail=tail)).open(SHAPE, CLASSES)
    assert opened.network.head_removed == tail[0][0]
    whole = opened.with_preprocessing(OnnxFile("x").preprocessing)
    np.testing.assert_allclose(whole.logits(PIXELS), wanted, rtol=1e-5, atol=1e-4)
    assert not {"Softmax", "LogSoftmax", "Sigmoid"} & {node.op_type for node in whole.graph.graph.node}


def test_one_probability_becomes_two_logits(saved):
    logit = answers(graph(classes=1), PIXELS.astype(np.float32).transpose(0, 3, 1, 2))
    found = taken(saved(graph(classes=1, tail=[("Sigmoid", {})])), ("no", "yes")).logits(PIXELS)
    np.testing.assert_allclose(found, np.concatenate([-logit / 2, logit / 2], axis=1), rtol=1e-5, atol=1e-4)


def test_answers_of_four_dimensions_are_flattened(saved):
    model = graph(tail=[("Unsqueeze", {"axes": [2, 3]})], opset=11)
    wanted = answers(graph(), PIXELS.astype(np.float32).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(taken(saved(model)).logits(PIXELS), wanted, rtol=1e-5, atol=1e-4)


def test_a_head_with_a_background_class_loses_it(saved):
    model = graph(classes=6)
    wanted = answers(model, PIXELS.astype(np.float32).transpose(0, 3, 1, 2))[:, 1:]
    found = taken(saved(model, classes=["background", *CLASSES])).logits(PIXELS)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
    with pytest.raises(DataError, match=r"6 answers, one of which may be a background class(.|\n)*model.classes"):
        taken(saved(model))


def test_names_come_from_a_file_too(saved, tmp_path):
    (tmp_path / "names.txt").write_text("e\nd\n\nc\nb\na\n")
    model = graph()
    wanted = answers(model, PIXELS.astype(np.float32).transpose(0, 3, 1, 2))[:, ::-1]
    found = taken(saved(model, classes=str(tmp_path / "names.txt"))).logits(PIXELS)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)


def test_weights_in_another_file_are_read_or_missed_by_name(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(graph(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    wanted = answers(graph(), PIXELS.astype(np.float32).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(taken(OnnxFile(str(path))).logits(PIXELS), wanted, rtol=1e-5, atol=1e-4)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(DataError, match=r"weights in another file(.|\n)*expected: weights.bin beside it"):
        taken(OnnxFile(str(path)))


def test_weights_are_read_from_the_models_own_folder_alone(tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(1000))
    folder = tmp_path / "given"
    folder.mkdir()
    onnx.save(graph(), folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../secret.bin" if entry.key == "location" else entry.value
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="weights in another file that cannot be read"):
        taken(OnnxFile(str(folder / "model.onnx")))


def test_functions_are_inlined(saved):
    model = graph()
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = "Activation", "pkg.torch"
    body = [helper.make_node("Relu", ["a"], ["b"])]
    opset = [helper.make_opsetid("", 13)]
    model.functions.append(helper.make_function("pkg.torch", "Activation", ["a"], ["b"], body, opset))
    model.opset_import.append(helper.make_opsetid("pkg.torch", 1))
    model.ir_version = 8
    wanted = answers(graph(), PIXELS.astype(np.float32).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(taken(saved(model)).logits(PIXELS), wanted, rtol=1e-5, atol=1e-4)


def test_one_of_several_outputs_is_chosen_by_name(saved):
    model = graph()
    model.graph.output.append(helper.make_tensor_value_info("x4", TensorProto.FLOAT, None))
    with pytest.raises(ConfigError, match=r"has several outputs(.|\n)*495, x4(.|\n)*model.output=NAME"):
        taken(saved(model))
    assert taken(saved(model, output="495")).logits(PIXELS).shape == (6, 5)
    with pytest.raises(DataError, match=r"another number of classes(.|\n)*4 answers"):
        taken(saved(model, output="x4"))
