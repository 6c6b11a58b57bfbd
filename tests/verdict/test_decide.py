"""Verdicts, the front, recommendations, and two runs side by side."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundoff.errors import ConfigError, DataError
from roundoff.measurement.accuracy import accuracy
from roundoff.system.files import write_json
from roundoff.verdict.decide import Metrics, Target, decide, metrics_from, read_metrics
from roundoff.verdict.ranking import Ranked, front, noise_floor, rounded_up, speed_difference

SAMPLES = 10_000
LABELS = np.arange(SAMPLES) % 10


def logits(lost, gained, right=9000):
    """Answers that are right on the first `right` samples, but for `lost` of those, and on `gained` others."""
    answers = np.where(np.arange(SAMPLES) < right, LABELS, (LABELS + 1) % 10)
    answers[:lost] = (LABELS[:lost] + 1) % 10
    answers[right : right + gained] = LABELS[right : right + gained]
    return np.eye(10, dtype=np.float32)[answers]


def cell(lost=0, gained=0, ms=1.0, size=1.0, speedup=1.0, label="fp16", samples=SAMPLES, **more):
    batch = {
        "reason": None,
        "runs": 500,
        "end_to_end_p50_ms": ms,
        "end_to_end_p50_low_ms": 0.99 * ms,
        "end_to_end_p50_high_ms": 1.01 * ms,
        "end_to_end_p99_ms": None,
        "device_p50_ms": ms / 2,
        "device_p50_low_ms": 0.99 * ms / 2,
        "device_p50_high_ms": 1.01 * ms / 2,
        "throughput_per_s": 1000 / ms,
        "throughput_low_per_s": 990 / ms,
        "throughput_high_per_s": 1010 / ms,
        "speedup": speedup,
        "speedup_low": 0.99 * speedup,
        "speedup_high": 1.01 * speedup,
        "round_spread": 0.01,
    }
    keep = slice(0, SAMPLES, SAMPLES // samples)
    found = accuracy(logits(lost, gained)[keep], LABELS[keep], logits(0, 0)[keep])
    return {
        "status": "measured",
        "reason": None,
        "label": label,
        "size_mb": size,
        "memory_mb": None,
        "energy": {"mj_per_image": None, "reason": "no meter"},
        "accuracy": found,
        "batch_1": batch,
        **more,
    }


UNAVAILABLE = {"status": "unavailable", "reason": "no GPU here", "size_mb": 2.0, "build_s": 1.0}


def without_timing(measured):
    """A cell whose accuracy alone is known."""
    return {key: value for key, value in measured.items() if not key.startswith("batch_")}


def metrics(control=1.0, platform="one", **cells):
    named = {name.replace("__", "/"): content for name, content in cells.items()}
    both = {"speedup": control, "end_to_end_speedup": control}
    method = {
        "chance": 0.1,
        "evaluate": {"chance_margin": 0.05},
        "devices": {"cpu": {"control": {"cell": "fp32/ort", "batch_1": both}}},
    }
    reference = "fp32/ort" if "fp32/ort" in named else None
    return Metrics(named, {"id": platform, "cpu": {"model": platform}}, reference, method)


def verdicts(target, **cells):
    return {name: found["verdict"] for name, found in decide(metrics(**cells), target)["cells"].items()}


@pytest.mark.parametrize(
    ("lost", "gained", "expected"), [(10, 8, "pass"), (300, 10, "fail"), (130, 40, "undecided"), (0, 0, "pass")]
)
def test_the_target_is_a_share_of_the_references_accuracy(lost, gained, expected):
    found = verdicts(Target(keep=0.99), fp32__ort=cell(label="fp32"), int8__ort=cell(lost, gained))
    assert found == {"fp32/ort": "pass", "int8/ort": expected}


@pytest.mark.parametrize(("points", "verdict"), [(1.2, "pass"), (0.95, "undecided"), (0.6, "fail")])
def test_points_are_judged_by_the_interval_of_the_drop(points, verdict):
    """A drop of 0.90 points, 0.65 to 1.17."""
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(130, 40)), Target(keep=None, points=points))
    assert found["cells"]["int8/ort"]["verdict"] == verdict


def test_the_target_may_be_in_points():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(130, 40)), Target(keep=None, points=2.0))
    assert found["cells"]["int8/ort"]["verdict"] == "pass"
    assert "loses 0.90 points of accuracy" in found["cells"]["int8/ort"]["reasons"][0]


def test_undecided_says_how_many_images_would_decide():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(samples=200)), Target())["cells"]["int8/ort"]
    assert found["verdict"] == "undecided"
    needed = found["checks"][0]["samples_needed"]
    assert 500 < needed < 1500
    assert "test images would decide (there are 200)" in found["reasons"][0]


def test_exactly_at_the_target_no_number_decides():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(90, 0)), Target(keep=0.99))["cells"]["int8/ort"]
    assert found["verdict"] == "undecided"
    assert found["checks"][0]["samples_needed"] is None
    assert "too close to it for any number" in found["reasons"][0]


def test_a_coarse_precision_at_chance_level_fails_and_says_so():
    dead = cell()
    dead["accuracy"] = accuracy(np.tile(np.eye(10, dtype=np.float32)[0], (SAMPLES, 1)), LABELS, logits(0, 0))
    found = decide(metrics(fp32__ort=cell(), int8__ort=dead), Target())["cells"]["int8/ort"]
    assert found["verdict"] == "fail"
    assert "not clearly above chance (10.00%): it has to lie above 14.50%" in found["reasons"][0]
    assert [check["name"] for check in found["checks"]] == ["chance"]


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.10, 0.14, "fail"), (0.10, 0.15, "undecided"), (0.15, 0.2, None)]
)
def test_chance_fails_only_what_lies_below_it_with_its_whole_interval(low, high, expected):
    unsure = cell()
    unsure["accuracy"] |= {"top1_low": low, "top1_high": high}
    checks = decide(metrics(fp32__ort=cell(), int8__ort=unsure), Target())["cells"]["int8/ort"]["checks"]
    assert [check["verdict"] for check in checks if check["name"] == "chance"] == ([expected] if expected else [])
    assert any(check["name"] == "keep" for check in checks) == (expected != "fail")


@pytest.mark.parametrize(
    ("budget", "expected", "words"),
    [
        ({"latency_ms": 2.0}, "pass", "latency (p50 at batch size 1) 1 ms"),
        ({"latency_ms": 1.0}, "undecided", "target at most 1 ms"),
        ({"latency_ms": 0.5}, "fail", "target at most 0.5 ms"),
        ({"latency_ms": 5.0, "latency_percentile": "p99"}, "undecided", "p99 needs 662 runs, 500 were measured"),
        ({"latency_ms": 5.0, "batch_size": 8}, "undecided", "batch size 8 was not measured"),
        ({"throughput_per_s": 900}, "pass", "throughput (at batch size 1) 1000 images/s"),
        ({"throughput_per_s": 2000}, "fail", "target at least 2000 images/s"),
        ({"size_mb": 1.0}, "pass", "size (artifact) 1 MB"),
        ({"size_mb": 0.9}, "fail", "target at most 0.9 MB"),
        ({"mj_per_image": 1.0}, "undecided", "energy (per image) is not known: no meter"),
        ({"memory_mb": 1.0}, "undecided", "the runtime does not tell"),
    ],
)
def test_budgets(budget, expected, words):
    found = decide(metrics(fp32__ort=cell(), fp16__ort=cell()), Target(**budget))["cells"]["fp16/ort"]
    assert found["verdict"] == expected
    assert any(words in reason for reason in found["reasons"])


def timed(**figures):
    found = cell()
    found["batch_1"] |= figures
    return found


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(9.9, 9.999, "pass"), (9.9, 10.2, "undecided"), (10.01, 10.2, "fail")]
)
def test_a_percentile_is_decided_by_its_interval(low, high, expected):
    bounded = timed(end_to_end_p99_ms=9.99, end_to_end_p99_low_ms=low, end_to_end_p99_high_ms=high)
    found = decide(metrics(fp32__ort=bounded), Target(latency_ms=10, latency_percentile="p99"))["cells"]["fp32/ort"]
    assert found["verdict"] == expected
    assert found["checks"][-1]["bounds"] == "interval"
    assert f"9.99 ms (95 %: {low:.4g} to {high:.4g}); target at most 10 ms" in found["reasons"][-1]


def test_a_percentile_that_the_runs_do_not_bound_is_not_sure():
    found = decide(metrics(fp32__ort=timed(end_to_end_p99_ms=9.0)), Target(latency_ms=10, latency_percentile="p99"))
    checked = found["cells"]["fp32/ort"]["checks"][-1]
    assert (checked["verdict"], checked["bounds"], checked["found"]) == ("undecided", None, 9.0)
    assert "9 ms (no interval, which takes more loads" in checked["reason"]


@pytest.mark.parametrize(
    ("found_mj", "expected"), [(9.0, "pass"), (9.99, "undecided"), (10.5, "undecided"), (11.2, "fail")]
)
def test_energy_has_no_interval_and_is_sure_beyond_a_margin(found_mj, expected):
    metered = cell(energy={"mj_per_image": found_mj, "reason": None})
    checked = decide(metrics(fp32__ort=metered), Target(mj_per_image=10))["cells"]["fp32/ort"]["checks"][-1]
    assert (checked["verdict"], checked["bounds"]) == (expected, "margin")
    assert "± 10%" in checked["reason"]


def test_memory_and_size_are_points():
    found = decide(metrics(fp32__ort=cell(memory_mb=9.99)), Target(memory_mb=10, size_mb=2))["cells"]["fp32/ort"]
    assert [(check["name"], check["verdict"], check["bounds"]) for check in found["checks"][1:]] == [
        ("size", "pass", "exact"),
        ("memory", "pass", "exact"),
    ]


def test_a_reference_that_is_never_right_decides_nothing():
    found = cell(3, 2)
    found["accuracy"] |= {"kept": None, "kept_low": None, "kept_high": None}
    judged = decide(metrics(fp32__ort=cell(), int8__ort=found), Target())["cells"]["int8/ort"]
    assert (judged["verdict"], judged["reasons"]) == (
        "undecided",
        ["the reference is never right, so there is no accuracy to keep"],
    )


@pytest.mark.parametrize(("keep", "words"), [(0.99, "keep 99% of"), (0.9995, "keep 99.95% of")])
def test_the_target_is_said_as_it_is(keep, words):
    assert words in Target(keep=keep).words()


def test_a_cell_that_was_not_measured_has_no_verdict_but_its_reason():
    found = decide(metrics(fp32__ort=cell(), fp16__trt=UNAVAILABLE), Target())["cells"]["fp16/trt"]
    assert (found["verdict"], found["reasons"]) == (None, ["no GPU here"])


def test_without_a_reference_the_accuracy_is_undecided():
    alone = cell()
    alone["accuracy"] = accuracy(logits(0, 0), LABELS, None)
    found = decide(metrics(fp16__ort=alone), Target())
    assert found["cells"]["fp16/ort"]["verdict"] == "undecided"
    assert found["recommendations"]["reference"]["cell"] is None


def test_the_verdict_is_json():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(130, 40), fp16__trt=UNAVAILABLE), Target())
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_front_leaves_out_what_another_beats():
    cells = {
        "fp32__ort": cell(ms=2.0, size=4.0),
        "fp16__ort": cell(ms=2.0, size=2.0),
        "int8__ort": cell(30, 10, ms=1.0, size=1.0),
        "int8__slow": cell(30, 10, ms=3.0, size=1.0),
    }
    assert decide(metrics(**cells), Target())["front"] == ["int8/ort", "fp16/ort"]


def test_latencies_that_cannot_be_told_apart_do_not_decide_the_front():
    found = decide(metrics(fp32__ort=cell(ms=1.0), fp16__ort=cell(ms=1.005)), Target())
    assert found["front"] == ["fp32/ort", "fp16/ort"]


def test_accuracies_that_cannot_be_told_apart_do_not_decide_the_front():
    same = {"fp32__ort": cell(ms=2.0, size=4.0), "int8__ort": cell(12, 10, ms=1.0, size=1.0)}
    assert decide(metrics(**same), Target())["front"] == ["int8/ort"]
    worse = {**same, "int8__ort": cell(60, 10, ms=1.0, size=1.0)}
    assert decide(metrics(**worse), Target())["front"] == ["int8/ort", "fp32/ort"]


def test_without_a_reference_accuracies_are_told_apart_by_their_own_intervals():
    cells = {"fp16__ort": cell(ms=2.0), "int8__ort": cell(20, 0, ms=1.0), "int8__slow": cell(2000, 0, ms=2.0)}
    for one in cells.values():
        one["accuracy"] |= dict.fromkeys(("drop", "drop_low", "drop_high", "kept", "kept_low", "kept_high"))
    assert decide(metrics(**cells), Target())["front"] == ["int8/ort"]


@st.composite
def any_ranked(draw):
    low, lost = draw(st.floats(1, 2)), draw(st.floats(-0.1, 0.1))
    high, most = low + draw(st.floats(0, 1)), lost + draw(st.floats(0, 0.1))
    size = draw(st.sampled_from([1.0, 2.0]))
    return Ranked("cell", low, low, high, draw(st.floats(0, 0.2)), size, 0.9, lost, most)


@given(st.lists(any_ranked(), min_size=1, max_size=7))
def test_there_is_always_a_front(cells):
    assert front(cells)


def recommended(**cells):
    found = decide(metrics(**cells), Target())["recommendations"]
    return {use: choice["cell"] for use, choice in found.items()}, found


def test_fastest_may_lose_a_little_and_balanced_may_not():
    names, _ = recommended(
        fp32__ort=cell(ms=4.0),
        fp16__ort=cell(3, 2, ms=2.0),
        int8__ort=cell(60, 10, ms=1.0),
        bf16__ort=cell(400, 0, ms=0.5),
    )
    assert names == {"fastest": "int8/ort", "balanced": "fp16/ort", "reference": "fp32/ort"}


def test_of_tied_cells_the_smallest_is_taken_and_the_tie_is_told():
    names, found = recommended(fp32__ort=cell(ms=1.0, size=4.0), fp16__ort=cell(ms=1.01, size=2.0))
    assert names["fastest"] == "fp16/ort"
    assert found["fastest"]["tied"] == ["fp32/ort"]
    assert "not to be told apart from fp32/ort in speed" in found["fastest"]["reason"]


@pytest.mark.parametrize(("sizes", "chosen"), [((4.0, 3.97), "fp16/ort"), ((4.0, 3.95), "bf16/ort")])
def test_of_tied_cells_within_one_percent_in_size_the_faster_is_taken(sizes, chosen):
    wide, slim = sizes
    names, _ = recommended(
        fp32__ort=cell(ms=2.0), fp16__ort=cell(ms=1.0, size=wide), bf16__ort=cell(ms=1.005, size=slim)
    )
    assert names["fastest"] == chosen


def test_a_size_within_one_percent_keeps_no_cell_on_the_front():
    cells = {
        "fp16__ort": cell(ms=1.0, size=4.0),
        "bf16__ort": cell(ms=2.0, size=3.97),
        "int8__ort": cell(ms=2.0, size=3.0),
    }
    assert decide(metrics(fp32__ort=cell(ms=4.0, size=9.0), **cells), Target())["front"] == ["fp16/ort", "int8/ort"]


def test_a_cell_that_another_clearly_beats_is_not_tied_with_the_quickest():
    noisy = cell(ms=1.0, size=3.0)
    noisy["batch_1"] |= {"end_to_end_p50_low_ms": 0.98, "end_to_end_p50_high_ms": 1.1}
    names, found = recommended(
        fp32__ort=cell(ms=2.0), fp16__ort=noisy, bf16__ort=cell(ms=1.0, size=2.0), int8__ort=cell(ms=1.08)
    )
    assert names["fastest"] == "bf16/ort"
    assert found["fastest"]["tied"] == ["fp16/ort"]


def test_where_each_beats_the_next_in_a_circle_none_is_left_out():
    def one(name, latency, lost):
        return Ranked(name, latency[0], *latency, noise=0.0, size_mb=1.0, top1=0.9, lost_low=lost[0], lost_high=lost[1])

    circle = [
        one("d", (1.00, 1.01), (0.05, 0.06)),
        one("a", (1.10, 1.11), (0.00, 0.07)),
        one("b", (1.20, 1.21), (0.00, 0.01)),
        one("c", (1.00, 1.30), (0.02, 0.03)),
    ]
    assert front(circle) == ["d", "a", "b", "c"]


def test_an_undecided_cell_that_would_be_faster_is_named():
    names, found = recommended(fp32__ort=cell(ms=4.0), int8__ort=cell(130, 40, ms=1.0))
    assert names["fastest"] == "fp32/ort"
    assert found["fastest"]["faster_if_decided"] == ["int8/ort"]
    assert "would be faster, but the data do not decide on it: int8/ort" in found["fastest"]["reason"]


def test_where_nothing_passes_there_is_no_recommendation():
    found = decide(metrics(fp32__ort=cell(ms=4.0)), Target(latency_ms=1.0))["recommendations"]
    assert found["fastest"]["cell"] is None
    assert found["fastest"]["reason"] == "the data allow no recommendation: there are no cells that pass"
    assert found["fastest"]["untimed"] == []


def test_what_passes_but_was_not_timed_is_told_from_what_does_not_pass():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(3, 2)), Target(batch_size=32))
    assert {name: one["verdict"] for name, one in found["cells"].items()} == {"fp32/ort": "pass", "int8/ort": "pass"}
    fastest = found["recommendations"]["fastest"]
    assert (fastest["cell"], fastest["untimed"]) == (None, ["fp32/ort", "int8/ort"])
    assert "none of the cells that pass was timed at verdict.batch_size=32: fp32/ort, int8/ort" in fastest["reason"]
    assert "of evaluate.batch_sizes, or time this one" in fastest["reason"]
    assert "no cells that pass" not in fastest["reason"]


def test_a_passing_cell_that_was_not_timed_is_named_beside_the_recommended_one():
    untimed = {"fp32__ort": without_timing(cell()), "int8__trt": without_timing(cell(300, 20))}
    _, found = recommended(fp16__trt=cell(3, 2), **untimed)
    assert (found["fastest"]["cell"], found["fastest"]["untimed"]) == ("fp16/trt", ["fp32/ort"])
    assert "of the cells that pass, not timed at batch size 1: fp32/ort" in found["fastest"]["reason"]


def test_where_nothing_passes_the_undecided_are_named_with_the_images_that_would_decide():
    few = cell(samples=200)
    found = decide(metrics(fp16__ort=few, int8__ort=without_timing(few)), Target())
    fastest = found["recommendations"]["fastest"]
    needed = found["cells"]["fp16/ort"]["checks"][0]["samples_needed"]
    assert fastest["cell"] is None
    assert fastest["undecided"] == {"fp16/ort": needed, "int8/ort": needed}
    assert fastest["faster_if_decided"] == ["fp16/ort", "int8/ort"]
    words = f"fp16/ort (about {rounded_up(needed):,} test images would decide)"
    assert f"there are no cells that pass; undecided: {words}" in fastest["reason"]


def test_images_do_not_decide_what_a_budget_leaves_open():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(samples=200)), Target(memory_mb=1.0))
    assert found["recommendations"]["fastest"]["undecided"]["int8/ort"] is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.02, 1.04, "faster"),
        (0.95, 0.97, "slower"),
        (0.99, 1.03, "not told apart"),
        (1.001, 1.004, "not told apart"),
        (None, None, None),
    ],
)
def test_a_speed_difference_lies_beyond_the_margin_with_its_whole_interval(low, high, expected):
    assert speed_difference(low, high, 0.005) == expected


def test_what_the_control_differs_by_is_noise():
    assert noise_floor(metrics(control=0.97).method, 1, 0.005) == pytest.approx(0.03)
    assert noise_floor(metrics().method, 1, 0.005) == 0.005
    assert noise_floor({}, 1, 0.005) == 0.005


def test_each_device_has_its_own_noise():
    made = metrics(fp32__ort=cell(), int8__ort=cell(speedup=1.05), fp32__trt=cell(), int8__trt=cell(speedup=1.05))
    loud, quiet = ({"batch_1": {"speedup": found, "end_to_end_speedup": 1.0}} for found in (0.9, 1.0))
    made.method["devices"] = {
        "cpu": {"cells": ["fp32/ort", "int8/ort"], "control": loud},
        "GPU-1": {"cells": ["fp32/trt", "int8/trt"], "control": quiet},
    }
    found = decide(made, Target())
    assert found["cells"]["int8/ort"]["speed"] == {"batch_1": "not told apart"}
    assert found["cells"]["int8/trt"]["speed"] == {"batch_1": "faster"}
    assert found["cells"]["int8/ort"]["speed_margin"] == pytest.approx({"batch_1": 0.1})
    assert found["cells"]["int8/trt"]["speed_margin"] == {"batch_1": 0.01}
    assert found["speed_margin"] == pytest.approx(0.1)


def test_speed_against_fp32_is_said_by_batch_size():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(speedup=1.4)), Target())["cells"]
    assert found["int8/ort"]["speed"] == {"batch_1": "faster"}
    assert found["fp32/ort"]["speed"] == {"batch_1": "not told apart"}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"keep": None}, "keep"),
        ({"keep": 1.2}, "keep"),
        ({"keep": 0.0}, "keep"),
        ({"points": -1.0}, "points"),
        ({"batch_size": 0}, "batch_size"),
        ({"latency_percentile": "p42"}, "latency_percentile"),
        ({"latency_ms": -1.0}, "latency_ms"),
        ({"size_mb": float("nan")}, "size_mb"),
        ({"speed_margin": 1.0}, "speed_margin"),
    ],
)
def test_a_bad_target_is_refused(values, key):
    with pytest.raises(ConfigError, match=f"bad {key}"):
        Target(**values)


def write_files(directory, found):
    head = {"platform": found.platform, "reference": found.reference, "method": found.method}
    for name in ("fp16", "int8"):
        write_json(directory / f"{name}.json", head)
    write_json(directory / "fp32.json", {**head, "ort": found.cells["fp32/ort"]})
    write_json(directory / "more.json", {**head, "bf16": {"ort": found.cells["bf16/ort"]}})


def test_metrics_are_read_from_the_files_of_a_run(tmp_path):
    made = metrics(fp32__ort=cell(), bf16__ort=cell(3, 1))
    write_files(tmp_path, made)
    assert read_metrics(tmp_path) == made


def test_missing_metrics_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no fp32\.json in"):
        read_metrics(tmp_path)


def test_metrics_of_different_runs_are_refused():
    head = {"platform": {"id": "a"}, "reference": None, "method": {}}
    with pytest.raises(DataError, match=r"different runs(.|\n)*fp16\.json differs from fp32\.json"):
        metrics_from({"fp32": head, "fp16": {**head, "platform": {"id": "b"}}})
