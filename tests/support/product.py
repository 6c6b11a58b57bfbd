"""A network that is two matrix products, on grids whose errors one can count by hand."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.graph.queries import model_hash

FIRST = np.array([[1, 2], [3, -1]], np.float32)
SECOND = np.array([[1, 0, 1], [1, 2, -1]], np.float32)


def product_network() -> onnx.ModelProto:
    """Pixels [N, 1, 1, 2] → flat → times FIRST (hidden) → times SECOND → logits [N, 3]."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"], "flat"),
        helper.make_node("MatMul", ["flat", "first"], ["hidden"], "layer1/MatMul"),
        helper.make_node("MatMul", ["hidden", "second"], ["logits"], "layer2/MatMul"),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 1, 1, 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(FIRST, "first"), numpy_helper.from_array(SECOND, "second")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def product_table(flat: float = 254.0, hidden: float = 1016.0) -> CalibrationTable:
    """Symmetric ranges: steps of `flat` ÷ 127 (2) and `hidden` ÷ 127 (8)."""
    ends = {"flat": flat, "hidden": hidden}
    ranges = {name: TensorRange(-end, end, -end, end, "minmax", 0.0) for name, end in ends.items()}
    return CalibrationTable(ranges, Provenance(model_sha256=model_hash(product_network())))


def product_images(count: int = 96) -> np.ndarray:
    """Pixels uint8 [count, 1, 1, 2] from 0 to 200."""
    return np.random.default_rng(0).integers(0, 201, (count, 1, 1, 2), dtype=np.uint8)


def on_steps(values: np.ndarray, step: float) -> np.ndarray:
    """The nearest multiples of `step`, ties to the even one."""
    return np.rint(values / step) * step
