"""What can be told apart, and the Pareto front."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundoff.results.run import Method
from roundoff.verdict.decide import decide
from roundoff.verdict.ranking import Ranked, front, noise_floor, ranked, speed_difference
from roundoff.verdict.recommending import chosen_of
from roundoff.verdict.requirements import Target
from tests.support.measured import UNAVAILABLE, alone, cell, compared, metrics, timed, untimed


def front_of(**cells):
    return decide(metrics(**cells), Target()).front


def test_the_front_leaves_out_what_another_beats():
    found = front_of(
        fp32__ort=cell(ms=2.0, size=4.0),
        fp16__ort=cell(ms=2.0, size=2.0),
        int8__ort=cell(30, 10, ms=1.0, size=1.0),
        int8__slow=cell(30, 10, ms=3.0, size=1.0),
    )
    assert found == ["int8/ort", "fp16/ort"]


def test_latencies_that_cannot_be_told_apart_do_not_decide_the_front():
    assert front_of(fp32__ort=cell(ms=1.0), fp16__ort=cell(ms=1.005)) == ["fp32/ort", "fp16/ort"]


def test_accuracies_that_cannot_be_told_apart_do_not_decide_the_front():
    same = {"fp32__ort": cell(ms=2.0, size=4.0), "int8__ort": cell(12, 10, ms=1.0, size=1.0)}
    assert front_of(**same) == ["int8/ort"]
    worse = {**same, "int8__ort": cell(60, 10, ms=1.0, size=1.0)}
    assert front_of(**worse) == ["int8/ort", "fp32/ort"]


def test_without_a_reference_accuracies_are_told_apart_by_their_own_intervals():
    def single(regressed, ms):
        return cell(ms=ms, accuracy=alone(compared(regressed)))

    assert front_of(fp16__ort=single(0, 2.0), int8__ort=single(20, 1.0), int8__slow=single(2000, 2.0)) == ["int8/ort"]


def test_a_size_within_one_percent_keeps_no_cell_on_the_front():
    found = front_of(
        fp32__ort=cell(ms=4.0, size=9.0),
        fp16__ort=cell(ms=1.0, size=4.0),
        bf16__ort=cell(ms=2.0, size=3.97),
        int8__ort=cell(ms=2.0, size=3.0),
    )
    assert found == ["fp16/ort", "int8/ort"]


@st.composite
def any_ranked(draw):
    low, lost = draw(st.floats(1, 2)), draw(st.floats(-0.1, 0.1))
    high, most = low + draw(st.floats(0, 1)), lost + draw(st.floats(0, 0.1))
    size = draw(st.sampled_from([1.0, 2.0]))
    return Ranked("cell", low, low, high, draw(st.floats(0, 0.2)), size, 0.9, lost, most)


@given(st.lists(any_ranked(), min_size=1, max_size=7))
def test_there_is_always_a_front(cells):
    assert front(cells)


def test_where_each_beats_the_next_in_a_circle_none_is_left_out():
    def one(name, latency, lost):
        low, high = latency
        return Ranked(name, low, low, high, noise=0.0, size_mb=1.0, top1=0.9, lost_low=lost[0], lost_high=lost[1])

    circle = [
        one("d", (1.00, 1.01), (0.05, 0.06)),
        one("a", (1.10, 1.11), (0.00, 0.07)),
        one("b", (1.20, 1.21), (0.00, 0.01)),
        one("c", (1.00, 1.30), (0.02, 0.03)),
    ]
    assert front(circle) == ["d", "a", "b", "c"]


def test_of_a_circle_of_faster_cells_one_is_chosen_all_the_same():
    def one(name, backend, latency, speedup):
        low, high = latency
        return Ranked(name, low, low, high, 0.0, 1.0, 0.9, 0.0, 0.0, backend, speedup)

    a = one("fp32/ort", "ort", (1.0, 1.1), (1.0, 1.0))
    b = one("fp32/litert", "litert", (1.2, 1.3), (1.0, 1.0))
    c = one("int8/ort", "ort", (1.4, 1.5), (1.1, 1.2))
    assert all(one.clearly_faster(next_one) for one, next_one in [(a, b), (b, c), (c, a)])
    chosen, tied = chosen_of([a, b, c])
    assert chosen in (a, b, c)
    assert len(tied) == 2


def test_only_what_has_every_figure_is_ranked():
    made = metrics(
        fp32__ort=cell(ms=2.0),
        fp16__ort=cell(ms=1.0),
        bf16__ort=untimed(cell()),
        int8__ort=timed(end_to_end_p50_ms=None),
        int8__litert=cell(size_mb=None),
        fp8__ort=cell(accuracy=None),
        fp16__trt=UNAVAILABLE,
    )
    found = ranked(made, 1, dict.fromkeys(made.cells, 0.01))
    assert [each.name for each in found] == ["fp16/ort", "fp32/ort"]


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
    assert noise_floor(metrics(aa_control=0.97).method, 1, 0.005, "int8/ort") == pytest.approx(0.03)
    assert noise_floor(metrics().method, 1, 0.005, "int8/ort") == 0.005
    assert noise_floor(metrics(aa_control=0.97).method, 8, 0.005, "int8/ort") == 0.005
    assert noise_floor(Method(), 1, 0.005, "int8/ort") == 0.005
