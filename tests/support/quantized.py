"""Classifiers that another tool has quantized: by ONNX Runtime, and as NVIDIA's Model Optimizer writes them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FOR_TENSORRT = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}


def quantized_by_onnxruntime(
    model: onnx.ModelProto,
    inputs: NDArray[np.float32],
    path: Path,
    qdq: bool = True,
    signed: bool = False,
    for_tensorrt: bool = False,
) -> Path:
    """Statically, per channel, with ranges from `inputs` [n, …]; `for_tensorrt`, by docs/models.md's settings."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = iter([{model.graph.input[0].name: each[None]} for each in inputs])

        def get_next(self) -> Any:
            return next(self.batches, None)

    logging.disable(logging.WARNING)  # on preprocessing, which changes nothing here
    try:
        quantize_static(
            model,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ if qdq else QuantFormat.QOperator,
            activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options=FOR_TENSORRT if for_tensorrt else {},
        )
    finally:
        logging.disable(logging.NOTSET)
    return path


def with_pairs(
    model: onnx.ModelProto, scales: dict[str, float], stored: bool = True, kind: int = TensorProto.INT8
) -> onnx.ModelProto:
    """Pairs of Q and DQ before each Conv and Gemm, as Model Optimizer and tools for training set them.

    Activations have the symmetric `scales`, weights one for each channel. A weight is `stored` in 8 bits behind a DQ,
    or in float32 before both.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph, nodes = made.graph, []
    held = {tensor.name: tensor for tensor in graph.initializer}
    np_kind = helper.tensor_dtype_to_np_dtype(kind)
    largest = 448.0 if kind == TensorProto.FLOAT8E4M3FN else 127.0

    def constant(name: str, values: Any, of: int) -> str:
        tensor = helper.make_tensor(name, of, np.shape(values), np.ravel(values).tolist())
        graph.initializer.append(tensor)
        return name

    def pair(name: str, scale: Any, source: str | None, axis: int | None) -> str:
        attributes: Any = {} if axis is None else {"axis": axis}
        ends = [constant(f"{name}_scale", scale, TensorProto.FLOAT)]
        ends.append(constant(f"{name}_zero", np.zeros(np.shape(scale)), kind))
        if source is not None:
            nodes.append(helper.make_node("QuantizeLinear", [source, *ends], [f"{name}_q"], f"{name}/Q", **attributes))
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{name}_q", *ends], [f"{name}_dq"], f"{name}/DQ", **attributes)
        )
        return f"{name}_dq"

    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            activation, weight = node.input[0], node.input[1]
            values = numpy_helper.to_array(held[weight])
            scale = np.abs(values).max(axis=tuple(range(1, values.ndim))) / largest
            if stored:
                steps = values / scale.reshape(-1, *[1] * (values.ndim - 1))
                codes = (steps.round() if kind == TensorProto.INT8 else steps).astype(np_kind)
                graph.initializer.append(numpy_helper.from_array(codes, f"{weight}_q"))
            node.input[0] = pair(f"{node.name}{activation}", scales[activation], activation, None)
            node.input[1] = pair(weight, scale, None if stored else weight, 0)
        nodes.append(node)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    return made


def with_pairs_by_channel(model: onnx.ModelProto) -> onnx.ModelProto:
    """Pairs around the Conv of `onnx_files.graph`, as NNCF writes them: its input's have a zero point a channel."""
    pairs = {"input.1": (np.uint8, 3, 1), "conv.weight": (np.int8, 4, 0), "x1": (np.uint8, None, None)}
    nodes, added = {node.output[0]: node for node in model.graph.node}, []
    for name, (kind, count, axis) in pairs.items():
        shape = () if count is None else (count,)
        at: dict[str, Any] = {} if axis is None else {"axis": axis}
        scale, zero, codes = f"{name}/scale", f"{name}/zero", f"{name}/q"
        for key, each in ((scale, np.full(shape, 2 / 127, np.float32)), (zero, np.zeros(shape, kind))):
            model.graph.initializer.append(numpy_helper.from_array(each, key))
        added.append(helper.make_node("QuantizeLinear", [name, scale, zero], [codes], f"{name}/Q", **at))
        added.append(helper.make_node("DequantizeLinear", [codes, scale, zero], [f"{name}/d"], f"{name}/DQ", **at))
    nodes["x1"].input[:] = ["input.1/d", "conv.weight/d"]
    nodes["x2"].input[0] = "x1/d"
    first, *others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*added[:4], first, *added[4:], *others])
    return model
