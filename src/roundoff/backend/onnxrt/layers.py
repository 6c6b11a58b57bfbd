"""In which types an optimised ONNX graph multiplies."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from roundoff.precision.base import Precision
from roundoff.results.message import Message, message

if TYPE_CHECKING:
    import onnx

# operator: the position of its weights among its inputs
MULTIPLIERS = {
    **dict.fromkeys(("Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"), 1),
    **dict.fromkeys(("ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"), 1),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QGemm"), 3),
}
# operator: the position of the input that has its output's type, where it is not the first
TYPE_GIVEN_BY = {
    "DequantizeLinear": 1,
    "QuantizeLinear": 2,
    "MatMulIntegerToFloat": 2,
    "DynamicQuantizeMatMul": 2,
    "Where": 1,
}


def layer_types(model: onnx.ModelProto) -> dict[str, int]:
    """How many convolutions and matrix products multiply in which type: that in which their weights arrive.

    Of a product of two activations it is the second one's type; `unknown` where nothing tells it.
    """
    stored = {i.name: i.data_type for i in model.graph.initializer}
    stored |= {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    makers = {name: node for node in model.graph.node for name in node.output}

    def arriving(name: str) -> str:
        maker = makers.get(name)
        if maker is None:
            return dtype_name(stored[name]) if name in stored else "unknown"
        if maker.op_type == "Cast":
            return dtype_name(next(a.i for a in maker.attribute if a.name == "to"))
        # Scales have the type of what is dequantized; else floats stay what they are from node to node.
        slot = TYPE_GIVEN_BY.get(maker.op_type, 0)
        return arriving(maker.input[slot]) if slot < len(maker.input) else "unknown"

    layers = [node for node in model.graph.node if node.op_type in MULTIPLIERS]
    return dict(Counter(arriving(node.input[MULTIPLIERS[node.op_type]]) for node in layers))


def dtype_name(code: int) -> str:
    """NumPy's or ml_dtypes' name of an ONNX element type."""
    from onnx import helper

    return str(helper.tensor_dtype_to_np_dtype(code))


def conversions(model: onnx.ModelProto) -> int:
    """How many activations are turned from floats to 8 bits or back: each costs a pass over the tensor."""
    stored = {i.name for i in model.graph.initializer}
    kinds = ("QuantizeLinear", "DequantizeLinear")
    return sum(node.op_type in kinds and node.input[0] not in stored for node in model.graph.node)


def note(precision: Precision, types: dict[str, int], converted: int = 0) -> Message | None:
    """What a reader must know where not all layers compute in the precision's own type; None where they do.

    `converted` are the conversions between 8 bits and floats.
    """
    # int8 weights may become uint8 ones, shifted by 128, where a CPU's instructions need that
    others = {name: count for name, count in types.items() if name.removeprefix("u") != precision.weights}
    if not others:
        return None
    counts: list[str | Message] = [
        message("layers_in", count=count, kind=name) for name, count in sorted(others.items())
    ]
    total = sum(types.values())
    if precision.weights == "int8":
        kept = total - sum(others.values())
        return message("layers_in_8_bits", count=kept, total=total, counts=counts, conversions=converted)
    return message("rounded_only", total=total, counts=counts, named=precision.weights)
