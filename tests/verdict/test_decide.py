"""The verdict on each cell: accuracy, budgets, and speed against FP32."""

import json
from dataclasses import replace
from typing import Any

import pytest

from roundoff.measurement.statistics import Z_POWER_80, wilson_at
from roundoff.results.cell import Energy
from roundoff.results.checked import as_json
from roundoff.results.message import message, verbatim
from roundoff.results.metrics import FORMAT, verdict_from
from roundoff.results.run import Device, Method
from roundoff.results.verdict import CellVerdict
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.measured import UNAVAILABLE, alone, cell, compared, control, metrics, timed
from tests.support.present import present


def judged(cell_metrics, target=None, name="int8/ort"):
    """The verdict on a cell beside a sound reference."""
    cells = {"fp32__ort": cell(), name.replace("/", "__"): cell_metrics}
    return decide(metrics(**cells), target or Target()).cells[name]


@pytest.mark.parametrize(
    ("regressed", "corrected", "expected"), [(10, 8, "pass"), (300, 10, "fail"), (130, 40, "undecided"), (0, 0, "pass")]
)
def test_the_target_is_a_share_of_the_references_accuracy(regressed, corrected, expected):
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(regressed, corrected)), Target(min_relative_accuracy=0.99))
    assert {name: each.verdict for name, each in found.cells.items()} == {"fp32/ort": "pass", "int8/ort": expected}
    assert [each.name for each in found.cells["int8/ort"].criteria] == ["min_relative_accuracy"]


@pytest.mark.parametrize(("points", "verdict"), [(2.0, "pass"), (1.2, "pass"), (0.95, "undecided"), (0.6, "fail")])
def test_points_are_judged_by_the_interval_of_the_drop(points, verdict):
    """A drop of 0.90 points, 0.65 to 1.17."""
    found = judged(cell(130, 40), Target(min_relative_accuracy=None, max_drop_points=points))
    assert found.verdict == verdict
    (criterion,) = found.criteria
    assert (criterion.name, criterion.limit, criterion.bounds) == ("max_drop_points", points, "interval")
    assert (criterion.low, criterion.value, criterion.high) == pytest.approx((0.65, 0.90, 1.17), abs=0.01)


def test_both_targets_of_accuracy_may_be_set():
    found = judged(cell(130, 40), Target(min_relative_accuracy=0.98, max_drop_points=0.6))
    assert {each.name: each.verdict for each in found.criteria} == {
        "min_relative_accuracy": "pass",
        "max_drop_points": "fail",
    }
    assert found.verdict == "fail"


@pytest.mark.parametrize(("least", "verdict"), [(0.97, "pass"), (0.983, "undecided"), (0.99, "fail")])
def test_agreement_is_judged_by_its_interval(least, verdict):
    """98.3 % of the answers are the reference's, 98.03 to 98.54; no accuracy is lost."""
    found = judged(cell(85, 85), Target(min_relative_accuracy=None, min_agreement=least))
    (criterion,) = found.criteria
    assert (found.verdict, criterion.name, criterion.limit) == (verdict, "min_agreement", least)
    assert (criterion.low, criterion.value, criterion.high) == pytest.approx((0.9803, 0.983, 0.9854), abs=1e-4)


def test_agreement_says_how_many_images_would_decide():
    found = judged(cell(85, 85), Target(min_agreement=0.981))
    criterion = next(each for each in found.criteria if each.name == "min_agreement")
    assert criterion.verdict == "undecided"
    needed = present(criterion.samples_needed)
    assert wilson_at(0.983, needed, Z_POWER_80).low > 0.981 > wilson_at(0.983, needed - 1, Z_POWER_80).low


def test_agreement_without_a_reference_is_not_known():
    found = decide(metrics(int8__ort=replace(cell(), accuracy=alone(compared()))), Target(min_agreement=0.9))
    assert found.cells["int8/ort"].verdict == "undecided"


def test_agreement_that_is_not_asked_for_is_no_criterion():
    assert "min_agreement" not in [each.name for each in judged(cell(85, 85)).criteria]


def test_undecided_says_how_many_images_would_decide():
    found = judged(cell(samples=200))
    assert found.verdict == "undecided"
    assert 500 < found.criteria[0].samples_needed < 1500
    assert found.samples_needed == found.criteria[0].samples_needed


def test_exactly_at_the_target_no_number_decides():
    found = judged(cell(90, 0))
    assert (found.verdict, found.criteria[0].value) == ("undecided", 0.99)
    assert found.criteria[0].samples_needed is None


def test_a_coarse_precision_at_chance_level_fails_and_says_so():
    found = judged(cell(8100, 100))
    assert found.verdict == "fail"
    (criterion,) = found.criteria
    assert (criterion.name, criterion.value) == ("chance", 0.1)
    assert criterion.limit == pytest.approx(0.145)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.10, 0.14, "fail"), (0.10, 0.15, "undecided"), (0.15, 0.2, None)]
)
def test_chance_fails_only_what_lies_below_it_with_its_whole_interval(low, high, expected):
    unsure = cell(accuracy=replace(compared(), top1_low=low, top1_high=high))
    criteria = judged(unsure).criteria
    assert [each.verdict for each in criteria if each.name == "chance"] == ([expected] if expected else [])
    assert any(each.name == "min_relative_accuracy" for each in criteria) == (expected != "fail")


def test_where_the_chance_level_is_not_recorded_nothing_is_decided():
    made = metrics(fp32__ort=cell(), int8__ort=cell())
    found = decide(replace(made, method=Method()), Target()).cells["int8/ort"]
    assert (found.verdict, found.criteria[0].reason) == ("undecided", message("chance_unknown"))


@pytest.mark.parametrize(
    ("budget", "expected", "name", "value"),
    [
        ({"latency_ms": 2.0}, "pass", "latency", 1.0),
        ({"latency_ms": 1.0}, "undecided", "latency", 1.0),
        ({"latency_ms": 0.5}, "fail", "latency", 1.0),
        ({"throughput_per_s": 900}, "pass", "throughput", 1000.0),
        ({"throughput_per_s": 2000}, "fail", "throughput", 1000.0),
        ({"size_mb": 1.0}, "pass", "size", 1.0),
        ({"size_mb": 0.9}, "fail", "size", 1.0),
    ],
)
def test_budgets(budget, expected, name, value):
    found = judged(cell(), Target(**budget), "fp16/ort")
    criterion = found.criteria[-1]
    assert (found.verdict, criterion.verdict) == (expected, expected)
    assert (criterion.name, criterion.value, criterion.reason) == (name, value, None)
    assert criterion.limit == next(iter(budget.values()))


@pytest.mark.parametrize(
    ("budget", "name", "reason"),
    [
        (
            {"latency_ms": 5.0, "latency_percentile": "p99"},
            "latency",
            message("percentile_needs_runs", percentile="p99", needed=662, runs=500),
        ),
        ({"latency_ms": 5.0, "batch_size": 8}, "latency", message("batch_not_measured", batch=8)),
        ({"throughput_per_s": 5.0, "batch_size": 8}, "throughput", message("batch_not_measured", batch=8)),
        ({"mj_per_image": 1.0}, "energy", verbatim("no meter")),
        ({"memory_mb": 1.0}, "memory", message("memory_unknown")),
    ],
)
def test_a_budget_without_a_figure_is_undecided_and_says_why(budget, name, reason):
    found = judged(cell(), Target(**budget))
    criterion = found.criteria[-1]
    assert (found.verdict, criterion.verdict) == ("undecided", "undecided")
    assert (criterion.name, criterion.value, criterion.bounds, criterion.reason) == (name, None, None, reason)


def test_what_is_not_known_of_a_cell_has_a_reason():
    unknown = cell(size_mb=None, energy=None, accuracy=None)
    criteria = judged(unknown, Target(size_mb=1.0, mj_per_image=1.0)).criteria
    assert [(each.name, each.verdict, each.reason.code) for each in criteria] == [
        ("accuracy", "undecided", "unknown"),
        ("size", "undecided", "size_unknown"),
        ("energy", "undecided", "unknown"),
    ]


def test_why_a_batch_size_was_not_measured_is_why_a_budget_is_open():
    criterion = judged(timed(runs=0, end_to_end_p50_ms=None, reason=verbatim("no room")), Target(latency_ms=1.0))
    assert criterion.criteria[-1].reason == verbatim("no room")


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(9.9, 9.999, "pass"), (9.9, 10.2, "undecided"), (10.01, 10.2, "fail")]
)
def test_a_percentile_is_decided_by_its_interval(low, high, expected):
    bounded = timed(end_to_end_p99_ms=9.99, end_to_end_p99_low_ms=low, end_to_end_p99_high_ms=high)
    found = decide(metrics(fp32__ort=bounded), Target(latency_ms=10, latency_percentile="p99")).cells["fp32/ort"]
    assert found.verdict == expected
    criterion = found.criteria[-1]
    assert (criterion.value, criterion.low, criterion.high) == (9.99, low, high)
    assert (criterion.bounds, criterion.limit) == ("interval", 10)


def test_a_percentile_that_the_runs_do_not_bound_is_not_sure():
    target = Target(latency_ms=10, latency_percentile="p99")
    criterion = judged(timed(end_to_end_p99_ms=9.0), target).criteria[-1]
    assert (criterion.verdict, criterion.bounds, criterion.value) == ("undecided", None, 9.0)
    assert (criterion.low, criterion.high) == (None, None)


@pytest.mark.parametrize(
    ("found_mj", "expected"), [(9.0, "pass"), (9.99, "undecided"), (10.5, "undecided"), (11.2, "fail")]
)
def test_energy_has_no_interval_and_is_sure_beyond_a_margin(found_mj, expected):
    criterion = judged(cell(energy=Energy(mj_per_image=found_mj)), Target(mj_per_image=10)).criteria[-1]
    assert (criterion.verdict, criterion.bounds) == (expected, "margin")
    assert (criterion.low, criterion.high) == pytest.approx((0.9 * found_mj, 1.1 * found_mj))


def test_memory_and_size_are_points():
    criteria = judged(cell(memory_mb=9.99), Target(memory_mb=10, size_mb=2)).criteria
    assert [(each.name, each.verdict, each.bounds) for each in criteria[1:]] == [
        ("size", "pass", "exact"),
        ("memory", "pass", "exact"),
    ]


def test_a_reference_that_is_never_right_decides_nothing():
    never: dict[str, Any] = dict.fromkeys(f"relative_accuracy{end}" for end in ("", "_low", "_high"))
    found = judged(cell(accuracy=replace(compared(3, 2), **never)))
    (criterion,) = found.criteria
    assert (found.verdict, criterion.name) == ("undecided", "min_relative_accuracy")
    assert criterion.reason == message("reference_never_right")


def test_the_reference_passes_as_the_one_that_others_are_compared_with():
    (criterion,) = judged(cell(), name="fp32/ort").criteria
    assert (criterion.name, criterion.verdict, criterion.value, criterion.bounds) == ("accuracy", "pass", 1.0, "exact")


def test_a_cell_that_was_not_measured_has_no_verdict_and_one_that_failed_fails():
    assert judged(UNAVAILABLE) == CellVerdict(verdict=None)
    assert judged(replace(UNAVAILABLE, status="failed")) == CellVerdict(verdict="fail")


def test_without_a_reference_the_accuracy_is_undecided():
    found = decide(metrics(fp16__ort=cell(accuracy=alone(compared()))), Target())
    verdict = found.cells["fp16/ort"]
    assert (verdict.verdict, verdict.criteria[0].reason) == ("undecided", message("no_reference"))
    assert found.recommendations["reference"].cell is None


def test_the_verdict_is_read_as_it_was_written():
    made = metrics(fp32__ort=cell(), int8__ort=cell(130, 40), fp16__trt=UNAVAILABLE)
    found = decide(made, Target(latency_ms=2.0, max_drop_points=1.0, mj_per_image=1.0))
    written = json.dumps({"format": FORMAT, **as_json(found)}, allow_nan=False)
    assert verdict_from(json.loads(written)) == found


def test_speed_against_fp32_is_said_by_batch_size():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(speedup=1.4)), Target()).cells
    assert {size: each.speed for size, each in found["int8/ort"].batches.items()} == {1: "faster"}
    assert {size: each.speed for size, each in found["fp32/ort"].batches.items()} == {1: "not told apart"}


def test_each_device_has_its_own_noise():
    made = metrics(fp32__ort=cell(), int8__ort=cell(speedup=1.05), fp32__trt=cell(), int8__trt=cell(speedup=1.05))
    devices = {
        "cpu": Device(cells=["fp32/ort", "int8/ort"], aa_control=control("fp32/ort", 0.9)),
        "GPU-1": Device(cells=["fp32/trt", "int8/trt"], aa_control=control("fp32/trt", 1.0)),
    }
    found = decide(replace(made, method=replace(made.method, devices=devices)), Target()).cells
    loud, quiet = found["int8/ort"].batches[1], found["int8/trt"].batches[1]
    assert (loud.speed, quiet.speed) == ("not told apart", "faster")
    assert loud.noise_floor == pytest.approx(0.1)
    assert quiet.noise_floor == 0.01
