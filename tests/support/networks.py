"""Small networks and their calibration tables, for the precision tests."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.graph.observed import observed_tensors
from roundoff.graph.queries import model_hash, with_outputs


def residual_network(scale: float = 1.0, seed: int = 0) -> onnx.ModelProto:
    """Image uint8 [N, 8, 8, 3] → scaled → Conv, Relu, Conv + skip, Relu, mean, MatMul → logits [N, 10]."""
    random = np.random.default_rng(seed)
    weights = {
        "factor": np.float32(1 / 127.5),
        "offset": np.float32(-1),
        "kernel1": (scale * random.normal(size=(16, 3, 3, 3)) / 3).astype(np.float32),
        "bias1": random.normal(size=16).astype(np.float32),
        "kernel2": (random.normal(size=(16, 16, 3, 3)) / 12).astype(np.float32),
        "dense": random.normal(size=(16, 10)).astype(np.float32),
        "axes": np.array([2, 3], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "factor"], ["scaled"], "mul"),
        helper.make_node("Add", ["scaled", "offset"], ["centred"], "add"),
        helper.make_node("Transpose", ["centred"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel1", "bias1"], ["conv1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"], "relu1"),
        helper.make_node("Conv", ["relu1", "kernel2"], ["conv2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["conv2", "relu1"], ["sum"], "skip"),
        helper.make_node("Relu", ["sum"], ["relu2"], "relu2"),
        helper.make_node("ReduceMean", ["relu2", "axes"], ["features"], "mean", keepdims=0),
        helper.make_node("MatMul", ["features", "dense"], ["logits"], "dense"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def pictures(count: int = 32) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def run(model: onnx.ModelProto, images: np.ndarray) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # as written: what the optimizer makes of it is tested with the backend
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray] = session.run(None, {"image": images})
    return outputs


def table_of(model: onnx.ModelProto) -> CalibrationTable:
    """The extremes of every activation over the pictures."""
    names = observed_tensors(model)
    values = run(with_outputs(model, names), pictures())
    ends = {name: (float(v.min()), float(v.max())) for name, v in zip(names, values, strict=True)}
    ranges = {name: TensorRange(low, high, low, high, "minmax", 0.0) for name, (low, high) in ends.items()}
    return CalibrationTable(ranges, Provenance(model_sha256=model_hash(model)))


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every tensor."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = {v.name: v.type.tensor_type.elem_type for v in [*graph.input, *graph.value_info, *graph.output]}
    return values | {i.name: i.data_type for i in graph.initializer}
