"""What ONNX Runtime's CPU provider can do on this machine, found out by trying."""

from __future__ import annotations

import numpy as np

from roundoff.graph.sessions import PROVIDERS, one_node_model


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


def not_implemented() -> type[Exception]:
    """ONNX Runtime's error for an operator without a kernel, which it does not export under a public name."""
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Missing

    missing: type[Exception] = Missing
    return missing


def in_its_own_words(error: Exception, provider: str = "CPU") -> str:
    """ONNX Runtime's message without its code in front."""
    import onnxruntime as ort

    return f"ONNX Runtime {ort.__version__}, {provider} provider: {str(error).split(' : ')[-1].strip()}"
