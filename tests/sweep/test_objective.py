from dataclasses import replace

import pytest

from roundoff.errors import RoundoffError
from roundoff.revisions.revision import Snapshot
from roundoff.sweep.objective import FIGURES, OF_REFERENCE, figures_of
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.measured import UNAVAILABLE, batch, cell, metrics


def measured(**cells):
    found = metrics(**cells)
    return Snapshot("lucky-name", "c" * 40, found, decide(found, Target(batch_size=1)))


@pytest.fixture
def two():
    return measured(
        fp32__ort=cell(), int8__ort=cell(regressed=9, batches={1: batch(ms=0.5, speedup=1.9, end_to_end_speedup=2.0)})
    )


def test_figures_are_of_the_named_cell_in_the_order_that_was_asked_for(two):
    kept, speed = figures_of(two, ["relative_accuracy", "speedup"], "int8/ort")
    assert kept == two.cells["int8/ort"].accuracy.relative_accuracy < 1
    assert speed == 2.0  # end to end, as cells are ranked


def test_figures_are_of_what_ships_where_no_cell_is_named(two):
    assert two.verdict.shipped.cell == "fp32/ort"  # int8 loses nine answers and gains none
    assert figures_of(two, ["latency_ms"]) == (1.0,)


@pytest.mark.parametrize("name", OF_REFERENCE)
def test_the_reference_is_as_good_as_itself(two, name):
    assert figures_of(two, [name], "fp32/ort") == (1.0,)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_number(two, name):
    assert figures_of(two, [name], "int8/ort")[0] > 0


def test_a_cell_that_was_not_measured_has_no_figure():
    found = measured(fp32__ort=cell(), int8__rtx=UNAVAILABLE)
    with pytest.raises(RoundoffError, match="int8/rtx of experiment lucky-name has no speedup"):
        figures_of(found, ["speedup"], "int8/rtx")


def test_a_cell_that_there_is_not_is_refused_with_those_that_there_are(two):
    with pytest.raises(RoundoffError, match="it has fp32/ort, int8/ort"):
        figures_of(two, ["speedup"], "int8/litert")


def test_without_anything_that_ships_a_cell_must_be_named(two):
    with pytest.raises(RoundoffError, match="nothing that may ship"):
        figures_of(replace(two, verdict=replace(two.verdict, recommendations={})), ["speedup"])
