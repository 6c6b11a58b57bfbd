"""A graph between two stages is whole, valid and by itself, or refused in words."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.errors import DataError
from roundoff.graph.queries import SEAL, model_hash
from roundoff.graph.reading import read_graph, seal
from tests.support.cells import network


@pytest.fixture
def model():
    return network(trained=False)


def saved(model, path):
    path.write_bytes(model.SerializeToString())
    return path


def test_a_sealed_graph_is_read_as_it_was(model, tmp_path):
    before = model.SerializeToString(deterministic=True)
    seal(model)
    assert [entry.key for entry in model.metadata_props] == [SEAL]
    found = read_graph(saved(model, tmp_path / "model.onnx"))
    assert found.SerializeToString(deterministic=True) == before
    assert model_hash(model) == model_hash(found)


def test_a_graph_that_was_changed_on_purpose_is_sealed_anew(model, tmp_path):
    seal(model)
    other_weight(model)
    seal(model)
    read_graph(saved(model, tmp_path / "model.onnx"))


def test_one_that_nobody_sealed_is_read(model, tmp_path):
    assert read_graph(saved(model, tmp_path / "model.onnx")) == model


def weight(model):
    return next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)


def other_weight(model):
    values = numpy_helper.to_array(weight(model)).copy()
    values.flat[0] += 1
    weight(model).CopyFrom(numpy_helper.from_array(values, weight(model).name))


def elsewhere(model):
    tensor = weight(model)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../weights.bin")


def function(model):
    body = [helper.make_node("Relu", ["x"], ["y"])]
    model.functions.append(helper.make_function("mine", "Mine", ["x"], ["y"], body, [helper.make_opsetid("", 18)]))


def operator(model):
    model.graph.node[0].op_type, model.graph.node[0].domain = "Evil", "evil"
    model.opset_import.add(domain="evil", version=1)


def cycle(model):
    model.graph.node[1].input[0] = model.graph.node[-1].output[0]


def short(model):
    weight(model).dims[0] += 1


def sparse(model):
    values = numpy_helper.from_array(np.array([1.0], np.float32), "values")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([1]), "at"), [10])
    )


def loop(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


def huge(model):
    weight(model).dims[:] = [2**20, 2**20, 1, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_weight, "which it was written with"),
        (elsewhere, "in another file"),
        (function, r"the function mine\.Mine"),
        (operator, r"the operator evil\.Evil"),
        (cycle, "topologically sorted|cycle|acyclic|SSA"),
        (short, "bytes for the weight"),
        (sparse, "a sparse weight"),
        (lambda model: model.graph.output.append(model.graph.output[0]), "two inputs or outputs"),
        (lambda model: setattr(model.opset_import[0], "version", 999), "operator set 999"),
        (loop, r"ai\.onnx\.Loop in a graph that no stage wrote"),
        (huge, "raw_data|size|bytes|dim"),
        (lambda model: model.graph.ClearField("node"), "0 operators"),
        (lambda model: model.graph.ClearField("output"), "0 outputs"),
        (lambda model: model.ClearField("opset_import"), "the operator|opset"),
    ],
)
def test_another_graph_is_refused(model, tmp_path, change, words):
    if change is other_weight:
        seal(model)
    change(model)
    with pytest.raises(DataError, match=rf"(?s)model\.onnx is no ONNX graph.*({words})"):
        read_graph(saved(model, tmp_path / "model.onnx"))


@pytest.mark.parametrize("content", [b"", b"onnx", bytes(1000), b"\x08\x0a" * 50])
def test_other_bytes_are_refused(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(DataError, match="is no ONNX graph that can be run"):
        read_graph(tmp_path / "model.onnx")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_graph(tmp_path / "model.onnx")
