"""A graph and images of different sizes are told apart before anything is computed."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, load, numpy_helper, save

from roundoff.dataset.base import Prepared
from roundoff.errors import DataError
from roundoff.export.fit import require_fit


def prepared(folder, shape=(8, 8, 3), classes=10):
    manifest = {"shape": shape, "classes": [str(number) for number in range(classes)]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(folder)


def graph(folder, shape=(8, 8, 3), classes=10):
    values = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *shape]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]),
    ]
    path = folder / "model.onnx"
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "sides"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["logits"]),
    ]
    constants = {"sides": np.array([1, 2]), "weight": np.zeros((shape[2], classes), np.float32)}
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    save(helper.make_model(helper.make_graph(nodes, "model", values[:1], values[1:], tensors)), path)
    return path


@pytest.mark.parametrize("shape", [(8, 8, 3), ("H", "W", 3)])
def test_a_graph_for_these_images_passes(tmp_path, shape):
    require_fit(graph(tmp_path, shape), prepared(tmp_path))


def test_one_for_a_single_batch_size_is_refused(tmp_path):
    path = graph(tmp_path)
    model = load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    save(model, path)
    with pytest.raises(DataError, match="takes batches of one size alone"):
        require_fit(path, prepared(tmp_path))


@pytest.mark.parametrize(
    ("given", "words"),
    [({"shape": (16, 16, 3)}, "16 × 16 × 3"), ({"shape": (8, 8, 1)}, "8 × 8 × 1"), ({"classes": 100}, "to 100")],
    ids=str,
)
def test_one_for_others_is_refused_with_both_sizes(tmp_path, given, words):
    with pytest.raises(DataError, match="does not fit the images") as refused:
        require_fit(graph(tmp_path, **given), prepared(tmp_path))
    assert words in str(refused.value)
    assert "8 × 8 × 3 to 10" in str(refused.value)
