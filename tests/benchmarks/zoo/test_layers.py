"""The fair count of layers: with a weight, no scales by channel, the last one aside."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.zoo.layers import inner_layers

WIDENED = helper.make_node("DequantizeLinear", ["w", "ws"], ["d"])


def graph_of(nodes, weights):
    made = [numpy_helper.from_array(np.zeros(shape, kind), name) for name, (shape, kind) in weights.items()]
    x, y = (helper.make_tensor_value_info(name, TensorProto.UINT8, None) for name in ("x", "y"))
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y], made))


def conv(weight, output, groups=1):
    return helper.make_node("QLinearConv", ["x", "s", "z", weight, "ws", "wz", "s", "z"], [output], group=groups)


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        ([conv("w", "a")], (1, 1)),
        ([helper.make_node("Conv", ["x", "f"], ["a"])], (1, 0)),
        (
            [helper.make_node("DequantizeLinear", ["w", "ws"], ["d"]), helper.make_node("Conv", ["x", "d"], ["a"])],
            (1, 0),
        ),
        ([helper.make_node("QLinearMatMul", ["x", "s", "z", "x", "s", "z", "s", "z"], ["a"])], (0, 0)),
        ([helper.make_node("MatMul", ["x", "x"], ["a"])], (0, 0)),
        ([helper.make_node("MatMulIntegerToFloat", ["x", "m", "s", "ws"], ["a"])], (1, 1)),
        ([conv("by_channel", "a", 4)], (0, 0)),
        ([conv("depthwise", "a", 4)], (1, 1)),
        ([conv("w", "a"), conv("w", "b")], (2, 2)),
    ],
)
def test_layers_are_counted(tmp_path, nodes, wanted):
    weights = {
        "w": ((4, 3, 3, 3), np.int8),
        "f": ((4, 3, 3, 3), np.float32),
        "m": ((3, 4), np.int8),
        "by_channel": ((4, 1, 1, 1), np.int8),
        "depthwise": ((4, 1, 3, 3), np.int8),
        "last": ((4, 3), np.float32),
    }
    last = helper.make_node("Gemm", ["x", "last"], ["y"])
    onnx.save(graph_of([*nodes, last], weights), tmp_path / "model.onnx")
    assert inner_layers(tmp_path / "model.onnx") == wanted
