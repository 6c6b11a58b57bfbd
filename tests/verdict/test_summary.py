"""The summary of a run: the best cell of each precision, and figures that a rerun moves little."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundoff.results.run import Device
from roundoff.results.summary import BestCell
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from roundoff.verdict.summary import rounded, summary_of
from tests.support.measured import UNAVAILABLE, cell, metrics, timed, untimed


def summary(target=None, **cells):
    made = metrics(**cells)
    return summary_of(made, decide(made, target or Target()))


def fast(ms, speedup):
    bounds = {"end_to_end_speedup_low": 0.99 * speedup, "end_to_end_speedup_high": 1.01 * speedup}
    return timed(ms=ms, end_to_end_speedup=speedup, **bounds)


def test_the_cell_to_ship_stands_for_its_precision_with_rounded_times_and_an_exact_accuracy():
    found = summary(fp32__ort=cell(ms=1.037, size=4.123456), int8__ort=fast(0.412, 2.516), int8__litert=fast(0.9, 1.1))
    assert found.answer.ship == "int8/ort"
    assert found.answer.verdict == {"fp32": "pass", "fp16": None, "int8": "pass"}
    assert found.precisions["fp32"] == BestCell(top1=0.9, ms=1.0, x=None, mb=4.12, backend="ort")
    assert found.precisions["int8"] == BestCell(top1=0.9, ms=0.4, x=2.6, mb=1.0, backend="ort")


def test_a_time_of_a_gpu_is_rounded_less():
    made = metrics(fp32__ort=cell(ms=1.683), int8__trt=cell(ms=1.683))
    gpu = {"GPU-1": Device(cells=["int8/trt"]), "cpu": Device(cells=["fp32/ort"])}
    made = replace(made, method=replace(made.method, devices=gpu))
    found = summary_of(made, decide(made, Target())).precisions
    assert (found["fp32"].ms, found["int8"].ms) == (1.5, 1.7)


def test_a_cell_that_passes_stands_before_a_faster_one_that_does_not():
    found = summary(fp32__ort=cell(ms=0.1), int8__fast=cell(500, ms=1.0), int8__slow=cell(ms=2.0))
    assert found.answer.ship == "fp32/ort"
    assert (found.precisions["int8"].backend, found.answer.verdict["int8"]) == ("slow", "pass")


def test_of_cells_that_fail_the_fastest_stands_for_its_precision():
    found = summary(fp32__ort=cell(), int8__slow=cell(500, ms=2.0), int8__fast=cell(600, ms=1.0))
    assert (found.precisions["int8"].backend, found.answer.verdict["int8"]) == ("fast", "fail")


def test_without_fp32_and_without_a_cell_that_runs_there_are_nulls():
    found = summary(fp16__ort=cell(accuracy=None), int8__trt=UNAVAILABLE)
    assert found.answer.ship is None
    assert found.answer.verdict["fp32"] is None
    assert found.precisions["fp32"] == BestCell()
    assert found.precisions["int8"] == BestCell()
    assert found.precisions["fp16"].top1 is None


def test_a_cell_that_was_not_timed_has_its_accuracy_alone():
    found = summary(fp32__ort=cell(), fp16__ort=untimed(cell()))
    assert found.precisions["fp16"] == BestCell(top1=0.9, mb=1.0, backend="ort")


@pytest.mark.parametrize(
    ("value", "width", "expected"),
    [(0.2691, 0.0323, 0.25), (1.683, 0.2, 1.6), (15.99, 1.92, 16.0), (2.701, 0.108, 2.8), (0.7669, 0.03, 0.75)],
)
def test_a_figure_is_rounded_to_the_smallest_step_that_is_at_least_its_width(value, width, expected):
    assert rounded(value, width) == expected


@given(st.floats(1e-6, 1e6), st.floats(1e-3, 10))
def test_what_is_rounded_stays_above_zero_and_within_half_a_step_of_it(value, share):
    found, largest_step = rounded(value, share * value), 2.5 * min(share, 0.5) * value
    assert found > 0
    assert abs(found - value) <= largest_step / 2 * (1 + 1e-6)
