"""ONNX Runtime's CPU sessions for graphs that are looked at, and what its 8-bit products do on this machine."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx
    import onnxruntime

PROVIDERS = ["CPUExecutionProvider"]


def session_options() -> onnxruntime.SessionOptions:
    """For sessions that run beside work of ours; 8-bit products are exact in them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Waiting threads would spin on the cores that count the previous chunk: a third of the time on two cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with_exact_products(options)
    return options


def with_exact_products(options: onnxruntime.SessionOptions) -> None:
    """Set what keeps 8-bit products exact on this CPU."""
    if integer_products_saturate():
        options.add_session_config_entry("session.x64quantprecision", "1")


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
