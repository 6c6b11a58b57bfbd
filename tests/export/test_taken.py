"""An ONNX file that was taken becomes the FP32 graph: raised, folded, checked, under its own names."""

import json
from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.dataset.base import Prepared
from roundoff.errors import DataError, GateError
from roundoff.export import taken
from roundoff.export.onnx_from_keras import Export
from roundoff.export.parity import onnx_logits
from roundoff.model.onnx_file import OnnxFile
from roundoff.system.files import sha256_of
from roundoff.training.taking import take
from tests.support.present import present

SHAPE = (8, 8, 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), dtype=np.uint8)
EXPORT = Export(18, 20, 1e-4)


@pytest.fixture
def prepared(tmp_path):
    directory = tmp_path / "prepared"
    directory.mkdir()
    np.save(directory / "train_images.npy", PIXELS)
    np.save(directory / "train_labels.npy", np.arange(40) % 5)
    manifest = {"classes": list("abcde"), "shape": SHAPE, "calibration_indices": list(range(20))}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(directory)


def network(uint8=False, opset=12):
    """Convolution and batch norm, of which one node has no name."""
    random = np.random.default_rng(1)
    values = {
        "w": random.normal(size=(4, 3, 3, 3)),
        "scale": random.uniform(0.5, 2, 4),
        "bias": random.normal(size=4),
        "mean": random.normal(size=4),
        "var": random.uniform(0.5, 2, 4),
        "fc": random.normal(size=(5, 4)),
    }
    nodes = [
        helper.make_node("Conv", ["x" if not uint8 else "floats", "w"], ["c"], "/features/conv"),
        helper.make_node("BatchNormalization", ["c", "scale", "bias", "mean", "var"], ["n"], "/features/norm"),
        helper.make_node("Relu", ["n"], ["r"], "/act"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "/pool"),
        helper.make_node("Flatten", ["p"], ["f"], ""),
        helper.make_node("Gemm", ["f", "fc"], ["out"], "/fc", transB=1),
    ]
    if uint8:
        nodes.insert(0, helper.make_node("Cast", ["x"], ["floats"], "/cast", to=TensorProto.FLOAT))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8 if uint8 else TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


@pytest.fixture
def folder(prepared, tmp_path):
    def save(model, **settings):
        onnx.save(model, tmp_path / "given.onnx")
        source = OnnxFile(str(tmp_path / "given.onnx"), check_preprocessing=False, **settings)
        take(source, prepared, np.arange(40), tmp_path)
        return tmp_path

    return save


def test_the_graph_is_raised_folded_and_open(folder, prepared):
    directory = folder(network(), scale="1/255")
    facts = EXPORT.onnx_from_trained(directory, prepared, directory / "graph.onnx")
    model = onnx.load(directory / "graph.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert facts.opset == 18
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators["BatchNormalization"] == 0
    assert (present(facts.relative_error) < 1e-5, facts.argmax_mismatches, facts.images) == (True, 0, 20)
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("image", "logits")
    assert image.type.tensor_type.shape.dim[0].dim_param == logits.type.tensor_type.shape.dim[0].dim_param == "N"
    np.testing.assert_allclose(
        onnx_logits(directory / "graph.onnx", PIXELS),
        onnx_logits(directory / "model.onnx", PIXELS),
        rtol=1e-4,
        atol=1e-4,
    )


def test_nodes_keep_their_names_and_each_has_one(folder, prepared):
    directory = folder(network())
    EXPORT.onnx_from_trained(directory, prepared, directory / "graph.onnx")
    names = [node.name for node in onnx.load(directory / "graph.onnx").graph.node]
    assert {"/features/conv", "/act", "/pool", "Flatten", "/fc", "preprocessing/Cast"} <= set(names)
    assert len(set(names)) == len(names)


def test_the_cast_of_uint8_comes_before_its_transpose(folder, prepared):
    directory = folder(network(uint8=True))
    given = [node.op_type for node in onnx.load(directory / "model.onnx").graph.node]
    assert given[:2] == ["Transpose", "Cast"]
    EXPORT.onnx_from_trained(directory, prepared, directory / "graph.onnx")
    made = [node.op_type for node in onnx.load(directory / "graph.onnx").graph.node]
    assert made[:2] == ["Cast", "Transpose"]


def test_a_newer_operator_set_stays(folder, prepared):
    directory = folder(network(opset=20))
    assert EXPORT.onnx_from_trained(directory, prepared, directory / "graph.onnx").opset == 20


def test_the_same_file_gives_the_same_bytes(folder, prepared):
    directory = folder(network())
    first = EXPORT.onnx_from_trained(directory, prepared, directory / "graph.onnx")
    assert EXPORT.onnx_from_trained(directory, prepared, directory / "again.onnx") == first
    assert sha256_of(directory / "again.onnx") == first.onnx_sha256


def test_a_graph_that_computes_something_else_is_not_written(folder, prepared, monkeypatch):
    directory = folder(network())
    whole: Any = vars(taken)["whole"]

    def spoiled(model, where, sources):
        found = onnx.load_from_string(whole(model, where, sources))
        weights = next(tensor for tensor in found.graph.initializer if len(tensor.dims) == 4)
        weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1.01, weights.name))
        return found.SerializeToString()

    monkeypatch.setattr(taken, "whole", spoiled)
    with pytest.raises(GateError, match="does not compute what the model that was taken computes"):
        EXPORT.onnx_from_trained(directory, prepared, directory / "graph.onnx")
    assert not (directory / "graph.onnx").exists()


@pytest.mark.parametrize("content", [None, "{}", '{"format": 1, "form": "pickle", "file": "x"}', "junk"])
def test_a_folder_that_train_did_not_leave_is_refused(prepared, tmp_path, content):
    if content:
        (tmp_path / "model.json").write_text(content)
    with pytest.raises(DataError, match=r"holds no trained model|is broken"):
        EXPORT.onnx_from_trained(tmp_path, prepared, tmp_path / "graph.onnx")
