"""Every network and draw once: known rows are not measured again, and a network that fails stops no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.process import Ran
from benchmarks.zoo.measuring import Plan, Zoo
from benchmarks.zoo.networks import Network
from benchmarks.zoo.pipeline import StageError


@pytest.fixture
def calls(monkeypatch):
    """What was measured: name, draw, and the recipe that came from the draw before."""
    made: list[tuple[str, int, str | None]] = []

    def draw(self, run, number, recipe):
        made.append((run.network.name, number, recipe))
        if run.network.name == "broken":
            raise StageError("export", Ran(1, "", "noise\nerror: no such layer\n  fix: none", 1.0, 1.0))
        return {"cells": {}, "recipes": {"onnxruntime": f"best of {run.network.name}"}}

    monkeypatch.setattr(Zoo, "_draw", draw)
    monkeypatch.setattr(Zoo, "_images", lambda self: Path("images.zip"))
    return made


@pytest.fixture
def plan(tmp_path):
    return Plan([Network("one", 32), Network("broken", 32), Network("two", 32)], 2, 10, Path(), tmp_path, "abc")


def names(rows):
    return sorted((row["network"], row["draw"], "failed" in row) for row in rows)


def test_every_network_and_draw_is_measured_and_a_failure_is_a_row(plan, calls):
    rows = list(Zoo(plan, []).rows())
    assert names(rows) == [
        ("broken", 0, True),
        ("one", 0, False),
        ("one", 1, False),
        ("two", 0, False),
        ("two", 1, False),
    ]
    failed = next(row["failed"] for row in rows if "failed" in row)
    assert failed == "export: exit code 1: error: no such layer fix: none"
    assert ("two", 1, "best of two") in calls
    assert list(plan.work.iterdir()) == []


def test_what_is_known_is_not_measured_again_but_what_failed_is(plan, calls):
    known = [row for row in Zoo(plan, []).rows() if (row["network"], row["draw"]) != ("two", 1)]
    calls.clear()
    assert names(Zoo(plan, known).rows())[1:] == names([*known, {"network": "two", "draw": 1}])[1:]
    assert sorted(calls) == [("broken", 0, None), ("two", 1, "best of two")]


def test_rows_of_other_sources_or_images_are_not_these_rows(plan, calls):
    known = list(Zoo(plan, []).rows())
    calls.clear()
    list(Zoo(replace(plan, sources="def"), known).rows())
    assert len(calls) == 5
