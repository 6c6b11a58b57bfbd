"""A precision's types by themselves."""

import pytest

from roundoff.results.precision import Types


@pytest.mark.parametrize(
    ("kind", "bits"), [("float32", 32), ("tf32", 32), ("bfloat16", 16), ("float8_e4m3fn", 8), ("int4", 4), ("x", None)]
)
def test_bits_are_the_weights_own(kind, bits):
    assert Types(kind, "float32", "float32").weight_bits == bits


def test_a_type_of_unknown_width_comes_last():
    kinds = ["strange", "int4", "float32"]
    assert sorted(kinds, key=lambda kind: Types(kind, kind, kind).rank) == ["float32", "int4", "strange"]


def test_tf32_multiplies_what_is_float32_in_memory():
    assert Types("tf32", "tf32", "float32").multiplied == "float32"
    assert Types("int8", "float16", "float16").multiplied == "float16"
