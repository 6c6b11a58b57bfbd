"""What may be asked of a cell."""

from dataclasses import fields

import pytest

from roundoff.errors import ConfigError
from roundoff.results.verdict import Requirements
from roundoff.verdict.requirements import Target


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"min_relative_accuracy": None}, "min_relative_accuracy"),
        ({"min_relative_accuracy": 1.2}, "min_relative_accuracy"),
        ({"min_relative_accuracy": 0.0}, "min_relative_accuracy"),
        ({"max_drop_points": -1.0}, "max_drop_points"),
        ({"min_agreement": 0.0}, "min_agreement"),
        ({"min_agreement": 1.01}, "min_agreement"),
        ({"batch_size": 0}, "batch_size"),
        ({"latency_percentile": "p42"}, "latency_percentile"),
        ({"latency_ms": -1.0}, "latency_ms"),
        ({"size_mb": float("nan")}, "size_mb"),
        ({"speed_margin": 1.0}, "speed_margin"),
    ],
)
def test_a_bad_target_is_refused(values, key):
    with pytest.raises(ConfigError, match=f"{key} is out of range"):
        Target(**values)


def test_a_target_in_points_alone_will_do():
    found = Target(min_relative_accuracy=None, max_drop_points=1.0).requirements()
    assert (found.min_relative_accuracy, found.max_drop_points) == (None, 1.0)


def test_a_target_of_agreement_alone_will_do():
    assert Target(min_relative_accuracy=None, min_agreement=0.98).requirements().min_agreement == 0.98


def test_the_requirements_are_the_target_as_it_was_set():
    target = Target(latency_ms=2.0, batch_size=8)
    found = target.requirements()
    assert type(found) is Requirements
    assert [getattr(found, each.name) for each in fields(found)] == [
        getattr(target, each.name) for each in fields(target)
    ]
