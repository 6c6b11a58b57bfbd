"""What the shipped precisions say of their types: what the report sorts and judges by."""

from pkgutil import resolve_name

import yaml

from roundoff.measurement.evaluate import types_of
from roundoff.results.legacy import FORMER
from tests.support.places import ROOT

WIDEST_FIRST = ["fp32", "tf32", "bf16", "fp16", "fp16_mixed", "fp8", "fp8_mixed", "int8_int16"]
WIDEST_FIRST += ["int8_fp16", "int8_fp16_mixed", "int8", "int8_mixed"]
TOLD = "given"  # its types are settings


def shipped():
    """The types of the components of conf/precision/ by name."""
    described = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "conf/precision").glob("*.yaml")}
    del described[TOLD]
    return {name: types_of(resolve_name(values.pop("_target_"))(**values)) for name, values in described.items()}


def test_the_shipped_precisions_are_sorted_from_the_widest_to_the_narrowest():
    types = shipped()
    assert sorted(types, key=lambda name: types[name].rank) == WIDEST_FIRST


def test_former_files_are_read_with_the_types_of_today():
    types = shipped()
    assert {name: types[name] for name in FORMER} == FORMER
