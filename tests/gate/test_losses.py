"""What the gate calls a loss."""

import math
from dataclasses import replace

import pytest

from roundoff.gate.losses import losses, widened
from roundoff.results.message import LANGUAGES, Words
from roundoff.revisions.change import Change
from roundoff.revisions.revision import Snapshot
from roundoff.revisions.revision_context import RevisionContext
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.measured import batch, cell, metrics
from tests.support.present import present

UNKNOWN = (RevisionContext(), RevisionContext())
CELL = "int8/ort"


def run(aa_control=1.0, platform="one", **cells):
    found = metrics(aa_control, platform, fp32__ort=cell(ms=2.0), **cells)
    return Snapshot("main", "abc", found, decide(found, Target(min_relative_accuracy=0.9)))


def judged(before, after, cells=(CELL,), language="en"):
    found = losses(before, after, UNKNOWN, cells, Words(language))
    return {finding.asked: finding.outcome for finding in found}


def test_intervals_are_as_wide_as_makes_all_together_95_percent():
    points = Change(CELL, "top1", 0.9, 0.89, -0.01, -0.02, 0.0, "within noise", "points")
    assert widened(points, 1).low == pytest.approx(-0.02)
    assert widened(points, 4).low == pytest.approx(-0.01 - 0.01 * 2.4977 / 1.95996, rel=1e-4)
    ratio = replace(points, change=0.1, low=1.1 / 1.05 - 1, high=1.1 * 1.05 - 1, unit="ratio")
    assert math.log1p(present(widened(ratio, 4).high)) == pytest.approx(
        math.log(1.1) + math.log(1.05) * 1.27436, rel=1e-4
    )


def test_one_of_many_comparisons_is_no_loss_by_chance():
    before, after = run(int8__ort=cell(speedup=2.0)), run(int8__ort=cell(speedup=2.0 * 0.984))
    assert judged(before, after)["batch 1: speedup"] == "pass"
    assert judged(before, run(int8__ort=cell(speedup=2.0 * 0.97)))["batch 1: speedup"] == "fail"


def test_a_loss_that_a_control_shows_too_is_noise():
    before, slower = run(int8__ort=cell(speedup=2.0)), cell(speedup=1.9)
    assert judged(before, run(int8__ort=slower))["batch 1: speedup"] == "fail"
    assert judged(before, run(aa_control=1.06, int8__ort=slower))["batch 1: speedup"] == "pass"


def test_a_batch_size_that_lost_its_figure_is_undecided_and_a_new_one_is_not_asked_for():
    both = cell(batches={1: batch(), 32: batch()})
    assert judged(run(int8__ort=both), run(int8__ort=cell()))["batch 32: speedup"] == "undecided"
    assert "batch 32: speedup" not in judged(run(int8__ort=cell()), run(int8__ort=both))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_cell_of_one_revision_alone(language):
    there, absent = run(int8__ort=cell()), run()
    assert judged(absent, there, language=language) == {"status": "pass"}
    assert judged(there, absent, language=language) == {"status": "undecided"}


def test_a_batch_size_that_fails_now_is_a_loss():
    broken = cell(batches={1: replace(batch(), status="failed", runs=0)})
    assert judged(run(int8__ort=cell()), run(int8__ort=broken))["batch 1: status"] == "fail"


def test_a_verdict_that_is_open_now_is_undecided():
    assert judged(run(int8__ort=cell()), run(int8__ort=cell(samples=30)))["verdict"] == "undecided"


@pytest.mark.parametrize(("ms", "outcome"), [(2.2, "fail"), (1.8, "fail"), (2.3, "undecided"), (1.7, "undecided")])
def test_a_loss_beside_an_fp32_of_another_speed_is_not_judged(ms, outcome):
    before = run(int8__ort=cell(speedup=2.0))
    found = metrics(fp32__ort=cell(ms=ms), int8__ort=cell(speedup=1.8))
    after = Snapshot("main", "abc", found, decide(found, Target(min_relative_accuracy=0.9)))
    assert judged(before, after)["batch 1: speedup"] == outcome


def test_a_gain_beside_an_fp32_of_another_speed_is_no_loss():
    found = metrics(fp32__ort=cell(ms=4.0), int8__ort=cell(speedup=3.0))
    after = Snapshot("main", "abc", found, decide(found, Target(min_relative_accuracy=0.9)))
    assert judged(run(int8__ort=cell(speedup=2.0)), after)["batch 1: speedup"] == "pass"


def test_a_gain_on_another_machine_is_no_loss():
    before, after = run(int8__ort=cell(speedup=2.0)), run(platform="two", int8__ort=cell(speedup=3.0))
    assert judged(before, after)["batch 1: speedup"] == "pass"
    assert judged(after, before)["batch 1: speedup"] == "undecided"


def test_a_cell_that_stopped_early_is_no_loss_beside_a_whole_one():
    """It ran a part of the test set, on which it lost more, and was timed for less."""
    before = run(int8__ort=cell(10, 8, speedup=2.0))
    part = cell(900, 8, speedup=1.5)
    part = replace(
        part,
        accuracy=replace(present(part.accuracy), available=20_000),
        batches={1: replace(part.batches[1], stop_reason="early")},
    )
    found = judged(before, run(int8__ort=part))
    assert "fail" not in found.values()
    assert found["batch 1: speedup"] == found["top1"] == "undecided"
    whole = replace(part, accuracy=replace(present(part.accuracy), available=None), batches={1: batch(speedup=1.5)})
    assert "fail" in judged(before, run(int8__ort=whole)).values()
