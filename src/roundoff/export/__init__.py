"""From a trained Keras model to one FP32 ONNX graph."""

from roundoff.export.onnx_from_keras import Export

__all__ = ["Export"]
