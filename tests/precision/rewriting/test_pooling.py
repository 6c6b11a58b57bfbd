"""Means over height and width become the operator that has an 8-bit kernel."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from roundoff.precision.rewriting.by_channel import as_convolutions

MAP = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)


def mean(axes, keepdims, rank=4, opset=18):
    """x → ReduceMean → y; axes as an attribute before opset 18."""
    sizes = ["N", *MAP.shape[1:rank]]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    new = opset >= 18
    given = {} if new else {"axes": axes}
    node = helper.make_node("ReduceMean", ["x", "axes"] if new else ["x"], ["y"], "mean", keepdims=keepdims, **given)
    constants = [numpy_helper.from_array(np.array(axes), "axes")] if new else []
    graph = helper.make_graph([node], "g", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model, values):
    (answer,) = ReferenceEvaluator(model).run(None, {"x": values})
    return answer


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3, 2]])
def test_a_mean_over_a_map_is_pooled(axes, opset):
    before = mean(axes, 1, opset=opset)
    after = as_convolutions(before)
    assert [node.op_type for node in after.graph.node] == ["GlobalAveragePool"]
    assert [node.name for node in after.graph.node] == ["mean"]
    np.testing.assert_allclose(run(after, MAP), run(before, MAP), rtol=1e-6)


@pytest.mark.parametrize(("axes", "keepdims", "rank"), [([2, 3], 0, 4), ([1], 1, 4), ([1, 2, 3], 1, 4), ([1, 2], 1, 3)])
def test_other_means_stay_as_they_are(axes, keepdims, rank):
    after = as_convolutions(mean(axes, keepdims, rank))
    assert [node.op_type for node in after.graph.node] == ["ReduceMean"]
