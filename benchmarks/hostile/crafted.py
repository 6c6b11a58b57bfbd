"""ONNX graphs that are made to do damage: cyclic, huge, with files of others, with operators of nobody."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.hostile.control_flow import Change, branches, last_renamed, loop, nested, scan
from benchmarks.hostile.tampering import Tampered


def crafted(good: bytes, hidden: bool = True) -> Iterator[Tampered]:
    """Each change on a copy of the graph; with `hidden` what the graph says of its own content is taken out."""
    model = onnx.load_model_from_string(good)
    for how, change in CHANGES.items():
        other = copy.deepcopy(model)
        if hidden:
            del other.metadata_props[:]
        change(other)
        yield how, other.SerializeToString()


def _external(location: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        tensor = _weight(model)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "1728")):
            tensor.external_data.add(key=key, value=value)

    return change


def _weight(model: onnx.ModelProto) -> TensorProto:
    found: TensorProto = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    return found


def _node(model: onnx.ModelProto, kind: str = "Relu") -> onnx.NodeProto:
    found: onnx.NodeProto = next(node for node in model.graph.node if node.op_type == kind)
    return found


def _cyclic(model: onnx.ModelProto) -> None:
    first, last = _node(model, "Conv"), model.graph.node[-1]
    first.input[0] = last.input[0]


def _itself(model: onnx.ModelProto) -> None:
    node = _node(model)
    node.input[0] = node.output[0]


def _dims(*dims: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        _weight(model).dims[:] = dims

    return change


def _operator(kind: str, domain: str, known: bool = True) -> Change:
    def change(model: onnx.ModelProto) -> None:
        node = _node(model)
        node.op_type, node.domain = kind, domain
        if known and domain:
            model.opset_import.add(domain=domain, version=1)

    return change


def _opsets(*versions: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        del model.opset_import[:]
        for version in versions:
            model.opset_import.add(domain="", version=version)

    return change


def _ir(version: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.ir_version = version

    return change


def _input_type(kind: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = kind

    return change


def _output_type(kind: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.output[0].type.tensor_type.elem_type = kind

    return change


def _input_shape(*shape: int | str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        value = helper.make_tensor_value_info(model.graph.input[0].name, TensorProto.UINT8, list(shape))
        model.graph.input[0].CopyFrom(value)

    return change


def _sequence(model: onnx.ModelProto) -> None:
    inner = helper.make_tensor_type_proto(TensorProto.UINT8, None)
    model.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(inner))


def _value(number: float) -> Change:
    def change(model: onnx.ModelProto) -> None:
        tensor = _weight(model)
        values = numpy_helper.to_array(tensor).copy()
        values.flat[0] = number
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    return change


def _function(recursive: bool) -> Change:
    def change(model: onnx.ModelProto) -> None:
        node = _node(model)
        node.op_type, node.domain = "Mine", "mine"
        model.opset_import.add(domain="mine", version=1)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
        inner = ("Mine", "mine") if recursive else ("Relu", "")
        body = [helper.make_node(inner[0], ["x"], ["y"], domain=inner[1])]
        model.functions.append(helper.make_function("mine", "Mine", ["x"], ["y"], body, opsets))

    return change


def _without(field: str) -> Change:
    return lambda model: model.graph.ClearField(field) or None


def _edit(change: Callable[[onnx.ModelProto], object]) -> Change:
    def apply(model: onnx.ModelProto) -> None:
        change(model)

    return apply


def _many(model: onnx.ModelProto) -> None:
    last_renamed(model)
    names = ["logits_inside", *(f"copy{number}" for number in range(20_000)), "logits"]
    model.graph.node.extend(helper.make_node("Identity", [a], [b]) for a, b in pairwise(names))


def _sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.array([1.0], np.float32), "values")
    indices = numpy_helper.from_array(np.array([10**12]), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**13]))


def _stride(model: onnx.ModelProto) -> None:
    node = _node(model, "Conv")
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("strides", [0, 0]))


def _attribute(name: str, value: object) -> Change:
    def change(model: onnx.ModelProto) -> None:
        node = _node(model, "Conv")
        kept = [each for each in node.attribute if each.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


CHANGES: dict[str, Change] = {
    "a cycle": _cyclic,
    "a node that feeds itself": _itself,
    "a weight of 2^40 values without data": _dims(2**20, 2**20, 1, 1),
    "a weight of a negative size": _dims(-1, 3, 3, 3),
    "a weight of no size": _dims(0, 3, 3, 3),
    "a weight of another shape than its data": _dims(8, 3, 3, 4),
    "a weight of three dimensions": _dims(8, 9, 3),
    "an operator of nobody": _operator("Evil", ""),
    "an operator of a domain of its own": _operator("Evil", "evil"),
    "an operator of a domain that is not imported": _operator("Evil", "evil", known=False),
    "an operator of ONNX Runtime": _operator("Gelu", "com.microsoft"),
    "an operator of ai.onnx.ml": _operator("Scaler", "ai.onnx.ml"),
    "an operator without name": _operator("", ""),
    "weights in /etc/passwd": _external("/etc/passwd"),
    "weights above the folder": _external("../../data/prepared/test_images.npy"),
    "weights in a file that is missing": _external("weights.bin"),
    "weights in a folder": _external("."),
    "weights in a device": _external("/dev/zero"),
    "weights without a place": _external(""),
    "If around the answer": branches,
    "a Loop of one round around the answer": loop(1),
    "a Loop without end": loop(2**62),
    "a Scan around the answer": scan,
    "20 nested Ifs": nested(20),
    "30 nested Ifs": nested(30),
    "a function": _function(recursive=False),
    "a function that calls itself": _function(recursive=True),
    "operator set 999": _opsets(999),
    "operator set 1": _opsets(1),
    "operator set −3": _opsets(-3),
    "no operator set": _opsets(),
    "two operator sets": _opsets(18, 9),
    "format 99": _ir(99),
    "format 0": _ir(0),
    "format −1": _ir(-1),
    "float images": _input_type(TensorProto.FLOAT),
    "images of text": _input_type(TensorProto.STRING),
    "images of no type": _input_type(0),
    "images of type 99": _input_type(99),
    "integer answers": _output_type(TensorProto.INT64),
    "half-precision answers": _output_type(TensorProto.FLOAT16),
    "a sequence of images": _sequence,
    "images of another size": _input_shape("N", 32, 32, 3),
    "images, channels first": _input_shape("N", 3, 16, 16),
    "one dimension too few": _input_shape(16, 16, 3),
    "a batch of one": _input_shape(1, 16, 16, 3),
    "a negative size": _input_shape("N", -16, 16, 3),
    "a size of 2^60": _input_shape("N", 2**60, 16, 3),
    "NaN in a weight": _value(float("nan")),
    "infinity in a weight": _value(float("inf")),
    "no nodes": _without("node"),
    "no weights": _without("initializer"),
    "no input": _without("input"),
    "no output": _without("output"),
    "two outputs of one name": _edit(lambda model: model.graph.output.append(model.graph.output[0])),
    "an output of nothing": _edit(lambda model: setattr(model.graph.output[0], "name", "nothing")),
    "two weights of one name": _edit(lambda model: model.graph.initializer.append(model.graph.initializer[0])),
    "a node twice": _edit(lambda model: model.graph.node.append(model.graph.node[0])),
    "a node without outputs": _edit(lambda model: _node(model).ClearField("output")),
    "a node without inputs": _edit(lambda model: _node(model).ClearField("input")),
    "an input of nothing": _edit(lambda model: _node(model).input.__setitem__(0, "nothing")),
    "nodes in another order": _edit(lambda model: model.graph.node.reverse()),
    "another input": _edit(
        lambda model: model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    ),
    "a weight as text": _edit(lambda model: _weight(model).__setattr__("data_type", TensorProto.STRING)),
    "a weight as doubles": _edit(lambda model: _weight(model).__setattr__("data_type", TensorProto.DOUBLE)),
    "a weight of type 99": _edit(lambda model: _weight(model).__setattr__("data_type", 99)),
    "a weight without data": _edit(lambda model: _weight(model).ClearField("raw_data")),
    "a sparse weight of 10^13 values": _sparse,
    "strides of 0": _stride,
    "pads of 2^40": _attribute("pads", [2**40] * 4),
    "negative pads": _attribute("pads", [-5] * 4),
    "groups of 0": _attribute("group", 0),
    "groups of −1": _attribute("group", -1),
    "dilations of 2^31": _attribute("dilations", [2**31] * 2),
    "a kernel of text": _attribute("kernel_shape", "text"),
    "names that are paths": _edit(lambda model: _node(model).__setattr__("name", "../../../evil")),
    "20,000 more nodes": _many,
}
