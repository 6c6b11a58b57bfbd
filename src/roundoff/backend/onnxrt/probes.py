"""What ONNX Runtime's CPU provider can do on this machine, found out by trying."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

PROVIDERS = ["CPUExecutionProvider"]


def convolution_error(dtype: str) -> str | None:
    """Why ONNX Runtime cannot run a convolution in a 16-bit float type; None if it can, and for other types."""
    import ml_dtypes
    import onnx
    import onnxruntime as ort

    if dtype not in ("float16", "bfloat16"):
        return None
    weights = onnx.numpy_helper.from_array(
        np.ones((1, 1, 1, 1), np.float16 if dtype == "float16" else ml_dtypes.bfloat16), "w"
    )
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], name=f"convolution in {dtype}")
    probe = one_node_model(node, weights.data_type, [1, 1, 1, 1], weights, weights.data_type)
    try:
        ort.InferenceSession(probe, providers=PROVIDERS)
    except not_implemented() as error:
        return in_its_own_words(error)
    return None


@functools.cache
def integer_products_saturate() -> bool:
    """Whether this CPU adds pairs of uint8 × int8 products in 16 bits, too few for 255 × 127 twice.

    CPUs with AVX2 or AVX-512 but without VNNI do, and INT8 models then answer wrongly unless ONNX Runtime makes
    the weights uint8, which costs other CPUs a third of their INT8 speed.
    """
    import onnx
    import onnxruntime as ort

    depth = 64
    weights = onnx.numpy_helper.from_array(np.full((depth, 16), 127, np.int8), "w")
    node = onnx.helper.make_node("MatMulInteger", ["x", "w"], ["y"])
    probe = one_node_model(node, onnx.TensorProto.UINT8, [16, depth], weights, onnx.TensorProto.INT32)
    largest = np.full((16, depth), 255, np.uint8)
    sums = ort.InferenceSession(probe, providers=PROVIDERS).run(["y"], {"x": largest})[0]
    return bool((sums != 255 * 127 * depth).any())


def one_node_model(
    node: onnx.NodeProto, input_type: int, shape: list[int], weights: onnx.TensorProto, output_type: int
) -> bytes:
    """A serialized model of one node from `x` of `shape` to `y`."""
    import onnx

    given = onnx.helper.make_tensor_value_info("x", input_type, shape)
    result = onnx.helper.make_tensor_value_info("y", output_type, None)
    graph = onnx.helper.make_graph([node], "probe", [given], [result], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 22)], ir_version=10)
    return bytes(model.SerializeToString())


def not_implemented() -> type[Exception]:
    """ONNX Runtime's error for an operator without a kernel, which it does not export under a public name."""
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Missing

    missing: type[Exception] = Missing
    return missing


def in_its_own_words(error: Exception, provider: str = "CPU") -> str:
    """ONNX Runtime's message without its code in front."""
    import onnxruntime as ort

    return f"ONNX Runtime {ort.__version__}, {provider} provider: {str(error).split(' : ')[-1].strip()}"
