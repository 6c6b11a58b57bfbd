"""A component: its class and its values are checked before it is made, and nothing else is called."""

import re
from dataclasses import dataclass

import pytest
from omegaconf import OmegaConf

from roundoff.dataset.base import Dataset
from roundoff.errors import ConfigError
from roundoff.pipeline.config import check, component
from tests.support.places import ROOT

CALLED: list[object] = []


@dataclass(frozen=True)
class Widget(Dataset):
    size: int
    sides: tuple[int, ...] = (1, 2)
    name: str | None = None
    share: float = 0.5
    corners: list[list[int]] | None = None
    flat: bool = True

    def __post_init__(self):
        CALLED.append("Widget")
        if self.size < 1:
            raise ConfigError("bad size", received=self.size, expected="1 or more", fix="raise size")
        if self.size == 13:
            raise ZeroDivisionError("unlucky")

    def open(self):
        raise NotImplementedError


@dataclass(frozen=True)
class Abstract(Dataset):
    size: int = 3


def calls_something(**_):
    CALLED.append("function")


@pytest.fixture
def widget(spoilt):
    CALLED.clear()
    return lambda **values: spoilt(dataset={"_target_": f"{__name__}.Widget", "size": 3, **values})


def test_good_configuration_passes(widget):
    check(widget(sides=[4, 5], name="w", share=1, corners=[[1], []]))


def test_a_dataset_that_names_nothing_to_watch_has_what_is_always_there(widget):
    assert (ROOT / component(widget().dataset, Widget).watch).is_file()
    assert component(widget(watch="images").dataset, Widget).watch == "images"


def test_fields_become_the_component(widget):
    assert component(widget().dataset, Widget).size == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "unknown key dataset.sise(.|\n)*did you mean size"),
        ({"size": "many"}, "wrong type of dataset.size"),
        ({"size": "3"}, "wrong type of dataset.size"),
        ({"size": True}, "wrong type of dataset.size"),
        ({"size": 3.0}, "wrong type of dataset.size"),
        ({"size": None}, "wrong type of dataset.size"),
        ({"size": 10**30}, r"wrong type of dataset.size(.|\n)*int \(finite, of at most 64 bits\)"),
        ({"flat": 1}, "wrong type of dataset.flat"),
        ({"sides": [1, "x"]}, r"wrong type of dataset.sides\[1\]"),
        ({"sides": 3}, "wrong type of dataset.sides"),
        ({"corners": [1]}, r"wrong type of dataset.corners\[0\]"),
        ({"corners": [[None]]}, r"wrong type of dataset.corners\[0\]\[0\]"),
        ({"name": 7}, r"wrong type of dataset.name(.|\n)*expected: str \| None"),
        ({"name": "a\0b"}, "wrong type of dataset.name"),
        ({"share": float("nan")}, "wrong type of dataset.share"),
        ({"share": float("inf")}, "wrong type of dataset.share"),
        ({"share": "${seed}0"}, "wrong type of dataset.share"),
        ({"size": 0}, "dataset: bad size"),
        ({"size": 13}, "dataset cannot be made(.|\n)*ZeroDivisionError: unlucky"),
        ({"size": "???"}, "dataset.size has no value"),
        ({"watch": "${dataset.size}", "size": "???"}, "dataset.size has no value"),
        ({"watch": "???", "size": "???"}, "dataset.size has no value"),
        ({"watch": ["a", "b"]}, "wrong type of dataset.watch"),
        ({"_target_": "roundoff.nothing.Here"}, "dataset._target_ names no class"),
        ({"_target_": "nowhere"}, "dataset._target_ names no class"),
        ({"_target_": None}, "dataset._target_ names no class"),
        ({"_target_": ["pandas.read_pickle"]}, "dataset._target_ names no class"),
        ({"_target_": "pathlib.Path"}, "the dataset._target_ is not a Dataset"),
        ({"_target_": "roundoff.model.resnet.ResNet"}, "the dataset._target_ is not a Dataset"),
        ({"_target_": f"{__name__}.Abstract"}, "dataset._target_ is not a dataclass that can be made"),
        ({"_target_": f"{__name__}.calls_something"}, "dataset._target_ names no class"),
        ({"_target_": f"{__name__}.Widget.open"}, "dataset._target_ names no class"),
    ],
)
def test_bad_value_is_named(widget, values, message):
    with pytest.raises(ConfigError, match=message):
        check(widget(**values))
    assert "function" not in CALLED


def test_a_required_value_that_is_left_out_is_named(spoilt):
    with pytest.raises(ConfigError, match=r"dataset\.size is missing"):
        check(spoilt(dataset={"_target_": f"{__name__}.Widget"}))


def test_component_of_another_kind_is_refused_before_it_is_made(widget):
    with pytest.raises(ConfigError, match="the _target_ is not a str"):
        component(widget().dataset, str)
    assert CALLED == []


@pytest.mark.parametrize("special", ["_target_", "_partial_", "_args_", "_recursive_", "_convert_"])
@pytest.mark.parametrize(
    "nest", [lambda v: v, lambda v: [v], lambda v: [[v]], lambda v: [{"a": [v]}], lambda v: {"a": {"b": v}}]
)
def test_a_component_acts_on_no_key_inside_its_values(widget, special, nest):
    node = widget(sides=nest({special: f"{__name__}.calls_something"})).dataset
    with pytest.raises(ConfigError, match=rf"sides.*{special} may not stand here"):
        component(node, Dataset)
    assert CALLED == []


def test_a_component_is_made_of_plain_values(widget):
    sides: object = component(widget(sides=[1]).dataset, Widget).sides
    assert type(sides) is list
    made: object = component(OmegaConf.create({"_target_": f"{__name__}.Widget", "size": 3}), Dataset)
    assert isinstance(made, Widget)
    assert made.size == 3


ENDINGS = ("SystemExit(0)", "SystemExit()", "SystemExit('enough')", "GeneratorExit()")


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("section", ["dataset", "model", "calibrate", "train", "backends.own", "more.own"])
def test_a_class_whose_module_ends_the_program_is_refused(spoilt, tmp_path, monkeypatch, section, end):
    (tmp_path / "ends.py").write_text(f"raise {end}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=rf"importing it raises {re.escape(end)}"):
        check(spoilt(**{section: {"_target_": "ends.Own"}}))


@pytest.mark.parametrize("end", ENDINGS)
def test_a_component_that_ends_the_program_is_refused(widget, monkeypatch, end):
    def ends(_):
        raise eval(end)

    monkeypatch.setattr(Widget, "__post_init__", ends)
    with pytest.raises(ConfigError, match=f"{end.partition('(')[0]}: "):
        check(widget())


@pytest.mark.parametrize("stop", [SystemExit(130), SystemExit(143), KeyboardInterrupt()], ids=repr)
def test_a_stop_passes_while_a_component_is_made(widget, monkeypatch, stop):
    def stopped(_):
        raise stop

    monkeypatch.setattr(Widget, "__post_init__", stopped)
    with pytest.raises(type(stop)):
        check(widget())
