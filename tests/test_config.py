from dataclasses import dataclass

import pytest
from omegaconf import OmegaConf

from roundoff.config import check, component
from roundoff.errors import ConfigError


@dataclass(frozen=True)
class Widget:
    size: int
    sides: tuple[int, ...] = (1, 2)
    name: str | None = None

    def __post_init__(self):
        if self.size < 1:
            raise ConfigError("bad size", received=self.size, expected="1 or more", fix="raise size")


def config(**values):
    return OmegaConf.create({"parts": {"widget": {"_target_": f"{__name__}.Widget", "size": 3, **values}}})


def test_good_configuration_passes():
    check(config(sides=[4, 5], name="w"))


def test_fields_become_the_component():
    assert component(config().parts.widget, Widget).size == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "unknown key parts.widget.sise"),
        ({"size": "many"}, "wrong type of parts.widget.size"),
        ({"size": "3"}, "wrong type of parts.widget.size"),
        ({"sides": [1, "x"]}, "wrong type of parts.widget.sides"),
        ({"size": 0}, "parts.widget: bad size"),
        ({"size": "???"}, "parts.widget.size has no value"),
        ({"_target_": "roundoff.nothing.Here"}, "parts.widget._target_ names no class"),
        ({"_target_": "pathlib.Path"}, "parts.widget._target_ is not a dataclass"),
    ],
)
def test_bad_value_is_named(values, message):
    with pytest.raises(ConfigError, match=message):
        check(config(**values))


def test_component_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="the _target_ is not a str"):
        component(config().parts.widget, str)
