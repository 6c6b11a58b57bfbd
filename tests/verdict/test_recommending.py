"""Which cell is recommended for what use, and what a reader must know of beside it."""

from dataclasses import replace

import pytest

from roundoff.results.message import verbatim
from roundoff.results.verdict import Recommendation
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.measured import batch, cell, metrics, timed, untimed
from tests.support.present import present


def recommended(target=None, **cells):
    return decide(metrics(**cells), target or Target()).recommendations


def test_fastest_may_lose_a_little_and_balanced_may_not():
    found = recommended(
        fp32__ort=cell(ms=4.0),
        fp16__ort=cell(3, 2, ms=2.0),
        int8__ort=cell(60, 10, ms=1.0),
        bf16__ort=cell(400, 0, ms=0.5),
    )
    chosen = {use: choice.cell for use, choice in found.items()}
    assert {use: chosen[use] for use in ("fastest", "balanced", "reference")} == {
        "fastest": "int8/ort",
        "balanced": "fp16/ort",
        "reference": "fp32/ort",
    }


def test_of_tied_cells_the_smallest_is_taken_and_the_tie_is_told():
    found = recommended(fp32__ort=cell(ms=1.0, size=4.0), fp16__ort=cell(ms=1.01, size=2.0))
    assert found["fastest"] == Recommendation(cell="fp16/ort", tied=["fp32/ort"])


@pytest.mark.parametrize(("sizes", "chosen"), [((4.0, 3.97), "fp16/ort"), ((4.0, 3.95), "bf16/ort")])
def test_of_tied_cells_within_one_percent_in_size_the_faster_is_taken(sizes, chosen):
    wide, slim = sizes
    found = recommended(fp32__ort=cell(ms=2.0), fp16__ort=cell(ms=1.0, size=wide), bf16__ort=cell(ms=1.005, size=slim))
    assert found["fastest"].cell == chosen


def test_a_cell_that_another_clearly_beats_is_not_tied_with_the_quickest():
    noisy = batch(1.0, end_to_end_p50_low_ms=0.98, end_to_end_p50_high_ms=1.1)
    found = recommended(
        fp32__ort=cell(ms=2.0),
        fp16__ort=cell(size=3.0, batches={1: noisy}),
        bf16__ort=cell(ms=1.0, size=2.0),
        int8__ort=cell(ms=1.08),
    )
    assert (found["fastest"].cell, found["fastest"].tied) == ("bf16/ort", ["fp16/ort"])


def in_turns(low, high, ms=1.0):
    """A batch on a noisy machine: times of which nothing can be told, and a speed-up that is known."""
    noisy = {"end_to_end_p50_low_ms": 0.7 * ms, "end_to_end_p50_high_ms": 1.4 * ms}
    ends = {"end_to_end_speedup_low": low, "end_to_end_speedup_high": high}
    return {1: batch(ms, **noisy, end_to_end_speedup=(low + high) / 2, **ends)}


def test_a_cell_that_is_slower_than_its_own_fp32_does_not_ship_for_its_size():
    wide = cell(size=4.0, batches={1: batch(1.0, end_to_end_p50_low_ms=0.7, end_to_end_p50_high_ms=1.4)})
    slower = recommended(fp32__ort=wide, int8__ort=cell(size=1.0, batches=in_turns(0.81, 0.94, 1.1)))
    assert slower["fastest"] == Recommendation(cell="fp32/ort", tied=[])
    unknown = recommended(fp32__ort=wide, int8__ort=cell(size=1.0, batches=in_turns(0.9, 1.05, 1.1)))
    assert unknown["fastest"] == Recommendation(cell="int8/ort", tied=["fp32/ort"])


def test_speed_ups_of_two_backends_are_not_compared():
    wide = cell(size=4.0, batches={1: batch(1.0, end_to_end_p50_low_ms=0.7, end_to_end_p50_high_ms=1.4)})
    found = recommended(fp32__ort=wide, int8__litert=cell(size=1.0, batches=in_turns(0.5, 0.6, 1.1)))
    assert found["fastest"].cell == "int8/litert"


def test_an_undecided_cell_that_would_be_faster_is_named_with_the_images_that_would_decide():
    made = metrics(fp32__ort=cell(ms=4.0), int8__ort=cell(120, 40, ms=1.0), fp16__ort=cell(120, 40, ms=5.0))
    found = decide(made, Target())
    needed = present(found.cells["int8/ort"].samples_needed)
    assert needed > 10_000
    assert found.recommendations["fastest"] == Recommendation(cell="fp32/ort", undecided={"int8/ort": needed})


def test_where_nothing_passes_there_is_no_recommendation():
    found = recommended(Target(latency_ms=1.0), fp32__ort=cell(ms=4.0))
    assert found["fastest"] == found["balanced"] == Recommendation(cell=None)
    assert found["reference"].cell == "fp32/ort"


def test_what_passes_but_was_not_timed_is_told_from_what_does_not_pass():
    found = decide(metrics(fp32__ort=cell(), int8__ort=cell(3, 2)), Target(batch_size=32))
    assert {name: each.verdict for name, each in found.cells.items()} == {"fp32/ort": "pass", "int8/ort": "pass"}
    assert found.recommendations["fastest"] == Recommendation(cell=None, not_timed=["fp32/ort", "int8/ort"])


def test_a_passing_cell_that_was_not_timed_is_named_beside_the_recommended_one():
    rest = {"fp32__ort": untimed(cell()), "int8__trt": untimed(cell(300, 20))}
    found = recommended(fp16__trt=cell(3, 2), **rest)
    assert found["fastest"] == Recommendation(cell="fp16/trt", not_timed=["fp32/ort"])


def test_a_passing_cell_that_failed_at_the_ranked_batch_size_is_told_from_one_that_was_not_timed():
    broken = timed(status="failed", reason=verbatim("a timed run failed"), runs=0, end_to_end_p50_ms=None)
    found = recommended(fp32__ort=cell(), fp16__ort=broken, int8__ort=untimed(cell()))
    assert found["fastest"] == Recommendation(cell="fp32/ort", failed=["fp16/ort"], not_timed=["int8/ort"])


def test_where_nothing_passes_the_undecided_are_named_with_the_images_that_would_decide():
    few = cell(samples=200)
    found = decide(metrics(fp16__ort=few, int8__ort=untimed(few)), Target())
    needed = found.cells["fp16/ort"].criteria[0].samples_needed
    assert found.recommendations["fastest"] == Recommendation(
        cell=None, undecided={"fp16/ort": needed, "int8/ort": needed}
    )


def test_images_do_not_decide_what_a_budget_leaves_open():
    found = recommended(Target(memory_mb=1.0), fp32__ort=cell(), int8__ort=cell(samples=200))
    assert found["fastest"].undecided["int8/ort"] is None


def test_a_failed_cell_is_not_recommended():
    broken = replace(cell(ms=0.1), status="failed", reason=verbatim("its answers are not finite"))
    assert recommended(fp32__ort=cell(), int8__ort=broken)["fastest"] == Recommendation(cell="fp32/ort")
