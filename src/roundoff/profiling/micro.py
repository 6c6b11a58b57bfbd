"""Two small networks that ask the most of a device: large products, and a large element-wise operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.graph.observed import observed_tensors
from roundoff.graph.queries import model_hash

CLASSES, OPSET = 16, 18
RANGE = 4.0  # of activations that are about standard normal


@dataclass(frozen=True)
class Size:
    """Pixels of a side and channels of the products' network; pixels of a side of the copy's."""

    side: int
    channels: int
    copied_side: int


ON_CPU = Size(side=14, channels=128, copied_side=512)
ON_GPU = Size(side=56, channels=256, copied_side=1024)


def products(size: Size) -> onnx.ModelProto:
    """Image uint8 [N, side, side, channels] → three 3 × 3 convolutions and a matrix product, all of many channels."""
    random, wide = np.random.default_rng(0), size.channels

    def weights(*shape: int) -> NDArray[np.float32]:
        fan = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        return np.asarray(random.normal(size=shape) * np.sqrt(2 / fan), np.float32)

    held: dict[str, NDArray[np.generic]] = {"factor": np.array(1 / 128, np.float32), "axes": np.array([1, 2], np.int64)}
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "factor"], ["scaled"], "scale"),
        helper.make_node("Transpose", ["scaled"], ["planes"], "planes", perm=[0, 3, 1, 2]),
    ]
    last = "planes"
    for number in range(1, 4):
        held[f"kernel{number}"] = weights(wide, wide, 3, 3)
        made, name = [f"conv{number}"], f"conv{number}"
        nodes.append(helper.make_node("Conv", [last, f"kernel{number}"], made, name, pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", made, [f"relu{number}"], f"relu{number}"))
        last = f"relu{number}"
    held |= {"matrix": weights(wide, wide), "head": weights(wide, CLASSES)}
    nodes += [
        helper.make_node("Transpose", [last], ["rows"], "rows", perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["rows", "matrix"], ["product"], "product"),
        helper.make_node("ReduceMean", ["product", "axes"], ["features"], "mean", keepdims=0),
        helper.make_node("MatMul", ["features", "head"], ["logits"], "head"),
    ]
    return _model(nodes, [size.side, size.side, wide], CLASSES, held)


def copies(size: Size) -> onnx.ModelProto:
    """Image uint8 [N, side, side, 4] → a large float32 tensor, gone through twice → its means.

    No node is called as one of the products' network: layers of one cell are told apart by their nodes.
    """
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "copied", to=TensorProto.FLOAT),
        helper.make_node("Abs", ["pixels"], ["positive"], "absolute"),
        helper.make_node("Neg", ["positive"], ["negative"], "negative"),
        helper.make_node("ReduceMean", ["negative", "axes"], ["logits"], "means", keepdims=0),
    ]
    return _model(nodes, [size.copied_side, size.copied_side, 4], 4, {"axes": np.array([1, 2], np.int64)})


def table_of(model: onnx.ModelProto) -> CalibrationTable:
    """The same range for every activation."""
    ends = TensorRange(-RANGE, RANGE, -RANGE, RANGE, "minmax", 0.0)
    ranges = dict.fromkeys(observed_tensors(model), ends)
    return CalibrationTable(ranges, Provenance(model_sha256=model_hash(model)))


def _model(
    nodes: list[onnx.NodeProto], image: list[int], classes: int, held: dict[str, NDArray[np.generic]]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "micro",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *image])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(values, name) for name, values in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
