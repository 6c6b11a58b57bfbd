"""What `roundoff diff` calls a difference."""

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from roundoff.measurement.statistics import wilson
from roundoff.results.cell import Accuracy, Batch, CellMetrics, Energy
from roundoff.results.checked import as_json
from roundoff.results.platform import Cpu, Gpu, Platform
from roundoff.results.run import Method, Metrics
from roundoff.revisions.change import interval_of_change
from roundoff.revisions.diff import compare, differing_parts
from roundoff.revisions.figures import ACCURACY_FIGURES, BATCH_FIGURES, CELL_FIGURES, ENERGY_FIGURES
from roundoff.revisions.revision import Snapshot
from tests.support.present import present
from tests.support.snapshots import BATCH, CELL, NAME, PLATFORM, judged, of, snapshot

TOP1, SPEEDUP, LATENCY = ACCURACY_FIGURES[0], BATCH_FIGURES[3], BATCH_FIGURES[0]


def test_equal_metrics_do_not_differ():
    assert judged() == {}


@pytest.mark.parametrize(
    ("path", "value", "judgement"),
    [
        ("size_mb", 0.11, "worse"),
        ("size_mb", 0.09, "better"),
        ("load_ms", 9.9, "within noise"),
        ("load_ms", 10.5, "worse"),
        ("accuracy.agreement", 0.97, "noise unknown"),
    ],
)
def test_figures_of_a_cell(path, value, judgement):
    assert judged((path, value)) == {path.split(".")[-1]: judgement}


@pytest.mark.parametrize(
    ("key", "value", "judgement"),
    [
        ("device_p50_ms", 0.109, "within noise"),
        ("device_p50_ms", 0.12, "worse"),
        ("device_p50_ms", 0.08, "better"),
        ("throughput_per_s", 12000.0, "better"),
        ("throughput_per_s", 7000.0, "worse"),
    ],
)
def test_absolute_times_must_leave_the_drift_of_sessions(key, value, judgement):
    assert judged((f"batch_1.{key}", value)) == {f"batch 1: {key}": judgement}


def test_spread_of_rounds_widens_the_noise():
    changes = (("batch_1.device_p50_ms", 0.12), ("batch_1.round_spread", 0.3))
    assert judged(*changes) == {"batch 1: device_p50_ms": "within noise"}


def test_speedup_is_judged_by_its_own_interval():
    slower = [
        (f"batch_1.{key}", value) for key, value in (("speedup", 1.34), ("speedup_low", 1.33), ("speedup_high", 1.35))
    ]
    assert judged(*slower) == {"batch 1: speedup": "worse"}
    about = [
        (f"batch_1.{key}", value) for key, value in (("speedup", 1.39), ("speedup_low", 1.37), ("speedup_high", 1.41))
    ]
    assert judged(*about) == {"batch 1: speedup": "within noise"}


def test_accuracy_is_judged_by_the_intervals():
    worse = (("accuracy.top1", 0.92), ("accuracy.top1_low", 0.91), ("accuracy.top1_high", 0.93))
    assert judged(*worse) == {"top1": "worse"}
    close = (("accuracy.top1", 0.945), ("accuracy.top1_low", 0.935), ("accuracy.top1_high", 0.955))
    assert judged(*close) == {"top1": "within noise"}


def test_other_machine_is_never_a_regression():
    other = replace(PLATFORM, id="bbbb")
    found = judged(("size_mb", 0.2), ("batch_1.device_p50_ms", 0.5), platform=other, verdict="fail")
    assert set(found.values()) == {"other machine"}
    assert set(found) == {"size_mb", "batch 1: device_p50_ms", "verdict"}


@pytest.mark.parametrize(("verdict", "judgement"), [("fail", "worse"), ("undecided", "within noise")])
def test_verdict_changes_between_pass_and_fail(verdict, judgement):
    assert judged(verdict=verdict) == {"verdict": judgement}


@pytest.mark.parametrize(
    ("path", "before", "after", "judgement"),
    [
        ("size_mb", 0.0, 0.1, "worse"),
        ("size_mb", 0.1, 0.0, "better"),
        ("memory_mb", 0.0, 5.0, "noise unknown"),
        ("batch_1.speedup", 0.0, 1.0, "noise unknown"),
    ],
)
def test_a_figure_that_is_zero_has_no_ratio(path, before, after, judgement):
    found = compare(snapshot(((path, before),)), snapshot(((path, after),)))
    change = next(one for one in found if one.title.endswith(path.split(".")[-1]))
    assert (change.change, change.low, change.high, change.judgement) == (None, None, None, judgement)


@pytest.mark.parametrize(("batch", "judgement"), [(32, "worse"), (1, "not comparable")])
def test_energy_is_compared_at_one_batch_size(batch, judgement):
    before = snapshot((("energy", Energy(mj_per_image=1.0, batch_size=32)),))
    after = snapshot((("energy", Energy(mj_per_image=2.0, batch_size=batch)),))
    found = {change.title: change.judgement for change in compare(before, after)}
    assert found["mj_per_image"] == judgement


def test_lost_cell_is_named():
    assert judged(("status", "unavailable"))["status"] == "not comparable"
    assert [(c.figure, c.b) for c in compare(snapshot(), of({}))] == [("status", "absent")]


def test_relabelled_cell_is_named():
    assert judged(("effective_precision", "fp16")) == {"computes as": "not comparable"}


def test_a_cell_whose_type_is_not_known_is_what_was_asked_for():
    assert judged(("effective_precision", None)) == {}


def test_missing_figure_is_not_comparable():
    assert judged(("batch_1.throughput_per_s", None)) == {"batch 1: throughput_per_s": "not comparable"}


def test_differing_parts_of_fingerprints():
    other = Platform(id="bbbb", cpu=Cpu(model="two", cores=2), gpus=[Gpu(name="Y")])
    found = differing_parts(as_json(PLATFORM), as_json(other))
    assert found == {"cpu.model": ("one", "two"), "gpus.0.name": ("X", "Y")}


def share(correct, samples):
    found = wilson(correct, samples)
    top1, low, high = found.value, found.low, found.high
    return Accuracy(samples=samples, correct=correct, nonfinite=0, top1=top1, top1_low=low, top1_high=high)


@settings(deadline=None)
@given(st.integers(1, 499), st.integers(1, 499))
def test_interval_of_shares_is_newcombes(before, after):
    low, high = present(interval_of_change(TOP1, share(before, 500), share(after, 500), 0.12))
    expected = confint_proportions_2indep(after, 500, before, 500, method="newcomb")
    assert (low, high) == pytest.approx(expected, abs=1e-9)


@given(st.floats(0.5, 4), st.floats(0.5, 4), st.floats(1.001, 1.5), st.floats(1.001, 1.5))
def test_interval_of_ratios_holds_the_change_and_turns_round(a, b, spread_a, spread_b):
    sides = [
        Batch(status="measured", speedup=value, speedup_low=value / spread, speedup_high=value * spread)
        for value, spread in ((a, spread_a), (b, spread_b))
    ]
    first, second = sides
    low, high = present(interval_of_change(SPEEDUP, first, second, 0.12))
    assert low < b / a - 1 < high
    back_low, back_high = present(interval_of_change(SPEEDUP, second, first, 0.12))
    assert math.isclose((1 + low) * (1 + back_high), 1, rel_tol=1e-9)
    assert math.isclose((1 + high) * (1 + back_low), 1, rel_tol=1e-9)


@given(st.floats(0.01, 100), st.floats(0, 0.5))
def test_drift_within_its_bound_is_noise(before, drift):
    a, b = (Batch(status="measured", device_p50_ms=before * ratio) for ratio in (1, 1 + 0.99 * drift))
    low, high = present(interval_of_change(LATENCY, a, b, drift))
    assert low <= 0 <= high


def test_absolute_times_without_a_gpu_are_not_judged():
    cpu = replace(PLATFORM, gpus=[])
    changed = snapshot((("batch_1.device_p50_ms", 0.5), ("size_mb", 0.2)), platform=cpu)
    found = {change.title: change.judgement for change in compare(snapshot(platform=cpu), changed)}
    assert found["batch 1: device_p50_ms"] == "noise unknown"
    assert found["size_mb"] == "worse"


def test_what_was_measured_and_now_fails_got_worse():
    assert judged(("status", "failed"))["status"] == "worse"
    assert judged(("batch_1.status", "failed"))["batch 1: status"] == "worse"


@pytest.mark.parametrize(
    ("figures", "holder"),
    [(CELL_FIGURES, CellMetrics), (ACCURACY_FIGURES, Accuracy), (BATCH_FIGURES, Batch), (ENERGY_FIGURES, Energy)],
)
def test_every_figure_is_a_field_of_what_has_it(figures, holder):
    named = {name for figure in figures for name in (figure.name, figure.within) if name}
    assert named <= {field.name for field in fields(holder)}


@pytest.mark.parametrize(("fp32_ms", "judgement"), [(0.21, "worse"), (0.3, "noise unknown"), (0.1, "noise unknown")])
def test_speedups_are_not_judged_where_fp32_ran_at_another_speed(fp32_ms, judgement):
    def side(ms, speedup):
        wide = replace(CELL, batches={1: replace(BATCH, device_p50_ms=ms)})
        narrow = replace(CELL, batches={1: replace(BATCH, speedup=speedup, speedup_low=speedup, speedup_high=speedup)})
        cells = {"fp32/onnxruntime": wide, NAME: narrow}
        return Snapshot("x", None, Metrics(platform=PLATFORM, reference=None, method=Method(), cells=cells))

    found = compare(side(0.2, 1.4), side(fp32_ms, 1.2))
    [change] = [each for each in found if each.cell == NAME and each.title == "batch 1: speedup"]
    assert change.judgement == judgement
