"""ONNX Runtime on the CPU, saying nothing."""

from __future__ import annotations

from typing import Any

import onnx


def session(model: onnx.ModelProto, as_written: bool = False) -> Any:
    """A session of the model; `as_written` leaves out all optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
