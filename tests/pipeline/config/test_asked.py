"""The precision that a build stage was asked for, and the script that builds it."""

import pytest

from roundoff.errors import ConfigError
from roundoff.pipeline.config import given_precision, mixed_precision, precision_made_here
from roundoff.precision.base import Precision
from roundoff.precision.fp16 import Fp16
from roundoff.precision.given import Given
from roundoff.precision.int8 import Int8

GIVEN = {"_target_": "roundoff.precision.given.Given", "path": "a.onnx"}
MIXED = {"_target_": "roundoff.precision.int8.Int8"}


@pytest.fixture
def asked(spoilt):
    """The configuration with each kind of precision, and one of them asked for."""
    return lambda name: spoilt(
        **{"given.given_litert": GIVEN, "mixed.int8_mixed": MIXED, "build.precision": name, "seed": 0}
    )


@pytest.mark.parametrize(
    ("made", "name", "kind"),
    [
        (precision_made_here, "fp16", Fp16),
        (precision_made_here, "int8_mixed", Int8),
        (mixed_precision, "int8_mixed", Int8),
        (given_precision, "given_litert", Given),
    ],
)
def test_a_precision_comes_with_its_name(asked, made, name, kind):
    found, precision = made(asked(name), Precision)
    assert (found, type(precision)) == (name, kind)


def test_what_could_be_built_is_listed(spoilt):
    with pytest.raises(ConfigError, match=r"build\.precision has no value(.|\n)*fp32, fp16, int8"):
        precision_made_here(spoilt(), Precision)


@pytest.mark.parametrize(
    ("made", "name", "script"),
    [
        (given_precision, "fp16", "build"),
        (precision_made_here, "given_litert", "build_given"),
        (mixed_precision, "int8", "build"),
    ],
)
def test_the_script_that_builds_another_one_is_named(asked, made, name, script):
    with pytest.raises(ConfigError, match=rf"fix: +run python stages/{script}.py build.precision={name}"):
        made(asked(name), Precision)
