"""A cell's name against what its layers multiply in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from roundoff.report.words.compute_types import computes, holds_name
from roundoff.results.cell import CellMetrics, Numerics
from roundoff.results.checked import checked
from roundoff.results.legacy import FORMER
from roundoff.revisions.read import Cell
from tests.support.places import ROOT


def cell(precision, types, effective=None, error=1e-3, shares=None):
    numerics = Numerics(relative_error=error, layer_types=types, compute_share=shares)
    found = CellMetrics(status="measured", effective_precision=effective or precision, numerics=numerics)
    return Cell(precision, "any", found, types=FORMER.get(precision))


@pytest.mark.parametrize(
    ("precision", "types", "held"),
    [
        ("fp32", {"float32": 5}, True),
        ("tf32", {"float32": 5}, True),
        ("fp16", {"float16": 5}, True),
        ("fp16", {"float32": 5}, False),
        ("fp16", {"bfloat16": 5}, False),
        ("fp16", {"float16": 4, "float32": 1}, False),
        ("bf16", {"bfloat16": 5}, True),
        ("fp8", {"float8_e4m3fn": 4, "float16": 1}, True),
        ("int8", {"int8": 4, "uint8": 1}, True),
        ("int8", {"int8": 4, "float32": 1}, True),
        ("int8", {"int8": 1, "float32": 4}, False),
        ("int8", {"float32": 5}, False),
        ("int8_fp16", {"int8": 3, "float16": 2}, True),
        ("int8", {"int8": 5, "unknown": 9}, True),
        ("int8", None, None),
        ("fp16", {"unknown": 3}, None),
        ("mixed", {"float16": 3}, None),
    ],
)
def test_name_is_held_against_layers(precision, types, held):
    assert holds_name(cell(precision, types)) is held


def test_error_alone_proves_only_full_width():
    assert holds_name(cell("fp32", None, error=1e-7)) is True
    assert holds_name(cell("fp32", None, error=None)) is None
    assert holds_name(cell("fp16", None)) is None


def test_the_type_by_the_error_comes_first():
    assert holds_name(cell("fp32", {"float32": 5}, effective="tf32")) is False


def test_share_of_the_work_counts_more_than_layers():
    told = cell("int8", {"int8": 2, "float32": 3}, shares={"int8": 0.9, "float32": 0.1})
    assert computes(told).others == {"float32": 3}
    assert holds_name(told) is True


def test_work_of_unknown_type_is_no_evidence():
    shares = {"int8": 0.3, "float32": 0.1, "unknown": 0.6}
    assert holds_name(cell("int8", {"int8": 4, "float32": 1}, shares=shares)) is True


RESULTS = sorted((ROOT / "results").glob("**/*.json"))


def rows(content) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict):
        if content.get("numerics"):
            yield content
        for value in content.values():
            yield from rows(value)


def test_every_published_row_is_read():
    found = [row for path in RESULTS for row in rows(json.loads(path.read_text()))]
    assert found
    for row in found:
        numerics = checked(Numerics, row["numerics"], "a published row", complete=False)
        told = Cell("int8", "any", CellMetrics(status="measured", numerics=numerics))
        assert computes(told).total == sum(row["numerics"]["layer_types"].values())
