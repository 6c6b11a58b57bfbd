"""The rules of placement, and their opposites, that benchmarks/calibration/placement.py compares, with reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from roundoff.calibration.observing.table import CalibrationTable
from roundoff.graph.grid import grid_for, weight_scales
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8, IntegerCodec
from roundoff.precision.rewriting.codec import Codes, Floats
from roundoff.precision.rewriting.placement import Placement
from roundoff.precision.rewriting.qdq import quantize

POOLING = ("AveragePool", "GlobalAveragePool", "ReduceMean")
Recipe = Callable[[onnx.ModelProto, CalibrationTable], onnx.ModelProto]


def by_switches(**switches: Any) -> Recipe:
    """INT8 with switches of the precision other than their defaults."""
    return lambda model, table: Int8(**switches).convert(model, Grid(), table)


def both_inputs_of_an_add(model: onnx.ModelProto, table: CalibrationTable) -> onnx.ModelProto:
    """The placement for kernels that cannot fuse an Add, on TensorRT's grid."""
    return quantize(model, table, IntegerCodec(Grid()), Placement(fuses_add=False))


def pooling_too(model: onnx.ModelProto, table: CalibrationTable) -> onnx.ModelProto:
    """The default, and a pair before each average pooling."""
    made = Int8().convert(model, Grid(), table)
    nodes = list(made.graph.node)
    del made.graph.node[:]
    for node in nodes:
        if node.op_type in POOLING and node.input[0] in table.ranges:
            name, base = node.input[0], f"{node.name}/pool"
            scale, _ = grid_for(table.ranges[name].low, table.ranges[name].high, "int8", symmetric=True)
            made.graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), f"{base}/scale"))
            made.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), f"{base}/zero"))
            grid = [f"{base}/scale", f"{base}/zero"]
            made.graph.node.append(helper.make_node("QuantizeLinear", [name, *grid], [f"{base}/codes"]))
            made.graph.node.append(helper.make_node("DequantizeLinear", [f"{base}/codes", *grid], [f"{base}/read"]))
            node.input[0] = f"{base}/read"
        made.graph.node.append(node)
    return made


class OneScale(IntegerCodec):
    """Weights with the same scale in every output channel."""

    def weight(self, values: Floats, axis: int | None, least: Floats | float = 0) -> tuple[Floats, Codes]:
        """As IntegerCodec's, from the whole tensor's largest magnitude."""
        scale = weight_scales(values, None, least=float(np.max(least)))
        codes = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
        return (scale if axis is None else np.full(values.shape[axis], scale, np.float32)), codes


def one_scale(model: onnx.ModelProto, table: CalibrationTable) -> onnx.ModelProto:
    """The default, with weights per tensor."""
    return quantize(model, table, OneScale(Grid()), Placement())


COUNTING_ZEROS = "entropy with exact zeros counted"
RULES: dict[str, tuple[str, Recipe]] = {
    "**default**": (
        "inputs and weights of Conv, Gemm, MatMul but the last; the residual branch of an Add",
        by_switches(),
    ),
    "`last_layer: true`": (
        "the last layer is small and its error reaches the logits unaveraged, so it stays FP32 by default",
        by_switches(last_layer=True),
    ),
    "`first_layer: false`": (
        "pixels fill their range evenly: quantizing them costs little",
        by_switches(first_layer=False),
    ),
    "`residual: false`": (
        "a float skip connection is more exact, but then TensorRT cannot fuse Conv, Add and ReLU in 8 bits",
        by_switches(residual=False),
    ),
    "both inputs of an Add": (
        "rounds between a Conv and the Add that is fused into it: a second rounding for nothing on TensorRT",
        both_inputs_of_an_add,
    ),
    "`bias_correction: false`": (
        "rounding a weight moves its channel's mean output; the bias gives that back at no cost",
        by_switches(bias_correction=False),
    ),
    "average pooling quantized too": ("8-bit pooling gains no time: it stays FP32", pooling_too),
    "one scale per weight tensor": (
        "output channels differ in size, and the largest would set the step of all",
        one_scale,
    ),
    COUNTING_ZEROS: ("see above", by_switches()),
}
