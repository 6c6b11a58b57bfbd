"""8-bit weights with 16-bit activations: LiteRT alone has kernels for it."""

import onnx
import pytest

from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.backend.tflite.backend import LiteRT
from roundoff.backend.trt.backend import Tensorrt
from roundoff.errors import BuildError
from roundoff.precision.base import Grid
from roundoff.precision.int8_int16 import Int8Int16


def test_litert_takes_it_and_the_others_refuse_it_with_the_reason():
    assert LiteRT().refusal(Int8Int16()) is None
    assert str(OnnxRuntime().refusal(Int8Int16())).startswith("ONNX Runtime has no kernels for 8-bit weights")
    refusal = Tensorrt(module="tensorrt_rtx").refusal(Int8Int16())
    assert str(refusal) == ("tensorrt_rtx has no kernels for 8-bit weights with 16-bit activations: LiteRT alone has")


def test_an_onnx_graph_of_it_cannot_be_made():
    with pytest.raises(BuildError, match="no runtime of ONNX graphs"):
        Int8Int16().convert(onnx.ModelProto(), Grid(), None)
