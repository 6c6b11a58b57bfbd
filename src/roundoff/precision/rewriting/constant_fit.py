"""What becomes of constants that a 16-bit float type cannot hold, at each node that reads them.

- Added or compared, a constant too small for the type becomes its smallest value and never 0: an epsilon is there so
  that nobody divides by 0. Multiplied with or divided by, it has too few digits: the node stays in float32.
- A constant beyond the type's range becomes its largest value where that is exact in effect: a bound that no value of
  the type reaches, a mask that the next node makes a 0 of. Any other node that reads it stays in float32.
- Weights of Conv, Gemm, MatMul and the like are summed up with others: the smallest of them may become 0.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from roundoff.precision.rewriting.float_types import Half

SUMMING = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum"}
SCALING = {"Mul": (0, 1), "Div": (0, 1), "Pow": (0, 1)}
"""Operators in whose result an operand's relative error is that of all, with the operand's places."""
BOUNDING = {"Clip", "Min", "Max"}
MASKING = {"Add", "Sub", "Where", "Pad"}
BEHIND_A_MASK = {"Softmax", "MaxPool", "GlobalMaxPool", "ReduceMax", "ArgMax", "Sigmoid", "HardSigmoid"}
"""Operators that make the same of any value that is large enough."""


class ConstantFit:
    """Looks at the constants of one graph in the light of `half`."""

    def __init__(self, graph: onnx.GraphProto, half: Half) -> None:
        self.half = half
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.outputs = {value.name for value in graph.output}

    def misfit(self, node: onnx.NodeProto) -> str | None:
        """The first constant for whose sake the node has to stay in float32; None if there is none."""
        for slot, name in enumerate(node.input):
            if name in self.constants and self._misfits(node, slot, self._values(name)):
                return str(name)
        own = [numpy_helper.to_array(a.t) for a in node.attribute if a.type == a.TENSOR and a.t.data_type == 1]
        return "its own value" if any(self._beyond(values) for values in own) else None

    def keeps_sign(self, name: str) -> bool:
        """Whether no value of that constant may become 0: some node does more than to sum it up with others."""
        return any(node.op_type not in SUMMING for node in self.readers.get(name, []))

    def _misfits(self, node: onnx.NodeProto, slot: int, values: NDArray[np.float32]) -> bool:
        if self._beyond(values) and not self._may_saturate(node, values):
            return True
        peak = float(np.abs(values).max(initial=0))
        return slot in SCALING.get(node.op_type, ()) and 0 < peak < self.half.smallest_normal

    def _beyond(self, values: NDArray[np.float32]) -> bool:
        finite = np.abs(values[np.isfinite(values)])
        return bool(finite.max(initial=0) >= self.half.first_beyond)

    def _may_saturate(self, node: onnx.NodeProto, values: NDArray[np.float32]) -> bool:
        if node.op_type in BOUNDING:
            return True
        # A mask takes values out at the lower end: at the upper one a sum could overflow.
        lowering = not self._beyond(np.minimum(values, 0) if node.op_type == "Sub" else np.maximum(values, 0))
        behind = self.readers.get(node.output[0], [])
        hidden = bool(behind) and node.output[0] not in self.outputs
        all_mask = hidden and all(other.op_type in BEHIND_A_MASK for other in behind)
        return node.op_type in MASKING and lowering and all_mask

    def _values(self, name: str) -> NDArray[np.float32]:
        tensor = self.constants[name]
        if tensor.data_type != onnx.TensorProto.FLOAT:
            return np.empty(0, np.float32)
        return np.asarray(numpy_helper.to_array(tensor))
