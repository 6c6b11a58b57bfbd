"""What a graph's metadata says of its sources."""

import onnx
import pytest
from onnx import TensorProto, helper

from roundoff.graph.provenance import read_provenance, write_provenance


@pytest.fixture
def model():
    value = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N"])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N"])
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["logits"])], "g", [value], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_what_was_written_is_read_and_the_rest_stays(model):
    model.metadata_props.add(key="author", value="someone")
    model.metadata_props.add(key="roundoff.kept_for_constants", value="[]")
    write_provenance(model, {"data": "d1", "model": "m1"})
    write_provenance(model, {"onnx": "o1", "model": "m2"})
    assert read_provenance(model) == {"data": "d1", "model": "m2", "onnx": "o1"}
    assert {entry.key: entry.value for entry in model.metadata_props}["author"] == "someone"
    onnx.checker.check_model(model, full_check=True)


def test_the_order_of_writing_changes_no_byte(model):
    other = onnx.ModelProto()
    other.CopyFrom(model)
    write_provenance(model, {"data": "d", "model": "m"})
    write_provenance(other, {"model": "m"})
    write_provenance(other, {"data": "d"})
    assert model.SerializeToString() == other.SerializeToString()
