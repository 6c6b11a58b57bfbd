"""Numbers of ONNX's element types, which are written out so that no component imports onnx."""

from onnx import TensorProto

from roundoff.precision.rewriting import codec
from roundoff.precision.rewriting.float_types import BFLOAT16, FLOAT16


def test_element_types_are_those_of_onnx():
    assert (codec.UINT8, codec.INT8) == (TensorProto.UINT8, TensorProto.INT8)
    assert codec.FLOAT8E4M3FN == TensorProto.FLOAT8E4M3FN
    assert (FLOAT16.code, BFLOAT16.code) == (TensorProto.FLOAT16, TensorProto.BFLOAT16)
