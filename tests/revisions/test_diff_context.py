"""What must not be compared: other targets, test sets and references, and cells that stopped early."""

from dataclasses import replace
from typing import Any

import pytest

from roundoff.results.verdict import CellVerdict, Requirements
from roundoff.revisions.diff import compare
from roundoff.revisions.revision_context import RevisionContext, asked
from tests.support.snapshots import CELL, NAME, changed, judged, of, snapshot

STRICT = Requirements(min_relative_accuracy=0.999, max_drop_points=None)


LAX = replace(STRICT, min_relative_accuracy=0.99)


def test_a_stricter_target_is_no_regression():
    assert judged(verdict="fail", contexts=(RevisionContext(LAX), RevisionContext(STRICT))) == {
        "verdict": "not comparable"
    }
    assert judged(verdict="fail", contexts=(RevisionContext(LAX), RevisionContext(LAX))) == {"verdict": "worse"}
    assert judged(verdict="fail", contexts=(RevisionContext(LAX), RevisionContext())) == {"verdict": "worse"}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"batch_size": 32}, True),
        ({"speed_margin": 0.05}, True),
        ({"latency_ms": 1.0}, False),
        ({"max_drop_points": 1.0}, False),
    ],
)
def test_targets_are_the_same_if_they_ask_the_same(change, same):
    assert (asked(replace(LAX, **change)) == asked(LAX)) is same


def test_the_batch_size_of_a_budget_is_asked():
    budget = replace(LAX, latency_ms=1.0, latency_percentile="p99")
    assert asked(replace(budget, batch_size=32)) != asked(budget)
    assert asked(replace(budget, latency_percentile="p50")) != asked(budget)


def known(kind: str, value: Any) -> RevisionContext:
    return replace(RevisionContext(), **{kind: value})


@pytest.mark.parametrize("kind", ["test_set", "prepared"])
def test_other_test_images_are_not_compared(kind):
    worse = (("accuracy.top1", 0.92), ("accuracy.top1_low", 0.91), ("accuracy.top1_high", 0.93), ("size_mb", 0.2))
    contexts = (known(kind, "one"), known(kind, "two"))
    expected = {"top1": "not comparable", "verdict": "not comparable", "size_mb": "worse"}
    assert judged(*worse, verdict="fail", contexts=contexts) == expected


@pytest.mark.parametrize(("kind", "agreement"), [("reference", "not comparable"), ("chance_margin", "noise unknown")])
def test_another_reference_or_margin_is_another_verdict(kind, agreement):
    less = (("accuracy.agreement", 0.9),)
    found = judged(*less, verdict="fail", contexts=(known(kind, 1), known(kind, 2)))
    assert found == {"verdict": "not comparable", "agreement": agreement}
    assert judged(*less, verdict="fail", contexts=(known(kind, 1), known(kind, 1)))["verdict"] == "worse"


def test_the_hash_of_the_test_images_counts_before_that_of_all_data():
    contexts = (RevisionContext(test_set="same", prepared="one"), RevisionContext(test_set="same", prepared="two"))
    assert judged(verdict="fail", contexts=contexts) == {"verdict": "worse"}


def test_another_number_of_test_images_is_another_test_set():
    before = snapshot((("accuracy.samples", 1000),))
    after = snapshot((("accuracy.samples", 2000), ("accuracy.top1", 0.5)), verdict="fail")
    found = {change.title: change.judgement for change in compare(before, after)}
    assert found["top1"] == found["agreement"] == found["verdict"] == "not comparable"


def test_a_verdict_that_absolute_times_alone_turned_is_not_called_a_regression():
    slow, inexact = (
        RevisionContext(LAX, failed={"int8/onnxruntime": frozenset(names)})
        for names in (["latency"], ["latency", "min_relative_accuracy"])
    )
    assert judged(verdict="fail", contexts=(RevisionContext(LAX), slow)) == {"verdict": "noise unknown"}
    assert judged(verdict="fail", contexts=(RevisionContext(LAX), inexact)) == {"verdict": "worse"}


class TestStoppedEarly:
    """A cell that ran a part of the test set, or was timed for less, is never called worse than one that did not."""

    LESS = (("accuracy.available", 1000), ("accuracy.samples", 512), ("accuracy.top1", 0.80))
    SLOWER = (("batch_1.speedup", 1.0), ("batch_1.speedup_low", 0.99), ("batch_1.speedup_high", 1.01))

    def test_neither_accuracy_nor_verdict_nor_speed_are_judged(self):
        shorter = (*self.LESS, *self.SLOWER, ("batch_1.device_p50_ms", 0.2))
        found = judged(*shorter, verdict="fail")
        assert found["verdict"] == found["top1"] == found["batch 1: speedup"] == "not comparable"
        assert "worse" not in found.values()

    def test_neither_is_a_timing_that_ended_before_the_minimum(self):
        found = judged(*self.SLOWER, ("batch_1.stop_reason", "early"))
        assert found["batch 1: speedup"] == "not comparable"
        assert judged(*self.SLOWER)["batch 1: speedup"] == "worse"

    def test_what_no_test_set_moves_is_judged(self):
        assert judged(*self.LESS, ("size_mb", 0.2))["size_mb"] == "worse"

    def test_other_cells_of_the_run_are_judged_as_ever(self):
        """The part that one cell ran is not another test set."""
        worse = changed(changed(CELL, "accuracy.top1", 0.8), "accuracy.top1_high", 0.82)
        part = changed(changed(CELL, "accuracy.available", 1000), "accuracy.samples", 512)
        verdicts = {name: CellVerdict(verdict="pass") for name in ("fp16/x", NAME)}
        a = of({"fp16/x": CELL, NAME: CELL}, verdicts=verdicts)
        b = of({"fp16/x": changed(worse, "accuracy.top1_low", 0.78), NAME: part}, verdicts=verdicts)
        found = {(change.cell, change.title): change.judgement for change in compare(a, b)}
        assert found["fp16/x", "top1"] == "worse"
        assert found[NAME, "top1"] in ("not comparable", "unchanged")

    def test_of_two_that_stopped_early_the_same_parts_are_judged(self):
        early = changed(CELL, "batch_1.stop_reason", "early")
        slow = early
        for path, value in self.SLOWER:
            slow = changed(slow, path, value)
        found = {change.title: change.judgement for change in compare(of({NAME: early}), of({NAME: slow}))}
        assert found["batch 1: speedup"] == "worse"
        whole = changed(changed(slow, "batch_1.stop_reason", "target"), "accuracy.available", 2000)
        found = {change.title: change.judgement for change in compare(of({NAME: early}), of({NAME: whole}))}
        assert found["batch 1: speedup"] == "not comparable"
