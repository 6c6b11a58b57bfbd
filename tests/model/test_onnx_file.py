"""A classifier from an ONNX file, of whatever shape exporters give it: taken whole, or refused in words."""

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.errors import ConfigError, DataError
from roundoff.model.onnx_file import OnnxFile
from roundoff.model.taking import onnx_reading

SHAPE, CLASSES = (8, 10, 3), tuple("abcde")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)
IMAGENET = {"scale": "1/255", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def graph(
    input_name="input.1",
    output_name="495",
    kind="float",
    planes=True,
    batch="batch",
    opset=13,
    tail=(),
    classes=5,
    size=SHAPE,
):
    """As torch.onnx.export writes a small network: Conv, Relu, pooling, a Reshape to [batch, 4], Gemm."""
    random = np.random.default_rng(1)
    height, width, channels = size
    values = {
        "conv.weight": random.normal(size=(4, channels, 3, 3)),
        "conv.bias": random.normal(size=4),
        "fc.weight": random.normal(size=(classes, 4)),
        "fc.bias": random.normal(size=classes),
    }
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()]
    constants.append(numpy_helper.from_array(np.array([batch if isinstance(batch, int) else -1, 4]), "flat"))
    taken, nodes = input_name, []
    if kind == "uint8":
        nodes.append(helper.make_node("Cast", [taken], ["floats"], "", to=TensorProto.FLOAT))
        taken = "floats"
    if not planes:
        nodes.append(helper.make_node("Transpose", [taken], ["planes"], "", perm=[0, 3, 1, 2]))
        taken = "planes"
    nodes += [
        helper.make_node("Conv", [taken, "conv.weight", "conv.bias"], ["x1"], "/conv/Conv"),
        helper.make_node("Relu", ["x1"], ["x2"], "/Relu"),
        helper.make_node("GlobalAveragePool", ["x2"], ["x3"], "/pool"),
        helper.make_node("Reshape", ["x3", "flat"], ["x4"], "/Reshape"),
        helper.make_node("Gemm", ["x4", "fc.weight", "fc.bias"], ["x5"], "/fc/Gemm", transB=1),
    ]
    last = "x5"
    for number, (operator, attributes) in enumerate(tail):
        nodes.append(helper.make_node(operator, [last], [f"t{number}"], f"/{operator}", **attributes))
        last = f"t{number}"
    nodes.append(helper.make_node("Identity", [last], [output_name], ""))
    sizes = [batch, channels, height, width] if planes else [batch, height, width, channels]
    element = TensorProto.UINT8 if kind == "uint8" else TensorProto.FLOAT
    whole = helper.make_graph(
        nodes,
        "torch_jit",
        [helper.make_tensor_value_info(input_name, element, sizes)],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, None)],
        constants,
    )
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def answers(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: inputs})[0]


@pytest.fixture
def saved(tmp_path):
    def save(model, **settings):
        onnx.save(model, tmp_path / "model.onnx")
        return OnnxFile(str(tmp_path / "model.onnx"), **settings)

    return save


def taken(source, classes=CLASSES, shape=SHAPE):
    return source.open(shape, classes).with_preprocessing(source.preprocessing)


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


def test_more_than_two_gigabytes_are_refused_in_words(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    onnx.save(graph(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    monkeypatch.setattr(onnx_reading, "LARGEST_BYTES", path.stat().st_size + 100)
    with pytest.raises(DataError, match=r"too large for one ONNX file(.|\n)*GB with its weights"):
        taken(OnnxFile(str(path)))


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


def test_one_of_several_outputs_is_chosen_by_name(saved):
    model = graph()
    model.graph.output.append(helper.make_tensor_value_info("x4", TensorProto.FLOAT, None))
    with pytest.raises(ConfigError, match=r"has several outputs(.|\n)*495, x4(.|\n)*model.output=NAME"):
        taken(saved(model))
    assert taken(saved(model, output="495")).logits(PIXELS).shape == (6, 5)
    with pytest.raises(DataError, match=r"another number of classes(.|\n)*4 answers"):
        taken(saved(model, output="x4"))


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
