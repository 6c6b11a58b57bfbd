"""What ships at each batch size, and the uses that one figure decides."""

from dataclasses import replace

import pytest

from roundoff.results.cell import Energy
from roundoff.results.verdict import Recommendation
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.measured import batch, cell, metrics
from tests.support.present import present


def decided(**cells):
    return decide(metrics(**cells), Target())


def metered(mj, **figures):
    return cell(energy=Energy(mj_per_image=mj, batch_size=32), **figures)


def test_each_batch_size_has_a_winner_of_its_own():
    found = decided(
        fp32__trt=cell(batches={1: batch(1.0), 64: batch(9.0)}),
        fp16__trt=cell(batches={1: batch(1.2), 64: batch(6.0)}),
    )
    assert {size: choice.cell for size, choice in found.batches.items()} == {1: "fp32/trt", 64: "fp16/trt"}
    assert found.batches[1] == present(found.shipped)


def test_a_batch_size_at_which_nothing_passes_ships_nothing():
    found = decide(metrics(fp32__ort=cell(batches={1: batch(), 8: batch()})), Target(latency_ms=0.5))
    assert [choice.cell for choice in found.batches.values()] == [None, None]


def test_the_highest_throughput_is_looked_for_at_every_batch_size():
    slow, quick = (
        batch(throughput_per_s=rate, throughput_low_per_s=rate - 9, throughput_high_per_s=rate + 9)
        for rate in (900, 5000)
    )
    found = decided(fp32__ort=cell(ms=0.5), fp16__ort=cell(batches={1: slow, 64: quick}))
    assert found.recommendations["throughput"] == Recommendation(cell="fp16/ort", batch_size=64)


def test_throughputs_within_the_noise_are_named_beside_the_highest():
    found = decided(fp32__ort=cell(ms=1.0), fp16__ort=cell(ms=0.99))
    assert found.recommendations["throughput"] == Recommendation(cell="fp16/ort", tied=["fp32/ort"], batch_size=1)


def test_the_smallest_passes_and_an_undecided_smaller_one_is_named():
    found = decided(fp32__ort=cell(size=4.0), fp16__ort=cell(size=2.0), int8__ort=cell(120, 40, size=1.0))
    smallest = found.recommendations["smallest"]
    assert (smallest.cell, smallest.tied, list(smallest.undecided)) == ("fp16/ort", [], ["int8/ort"])


@pytest.mark.parametrize(("mj", "tied"), [(0.85, ["fp32/ort"]), (0.8, [])])
def test_energies_within_what_a_meter_is_off_by_are_not_told_apart(mj, tied):
    found = decided(fp32__ort=metered(1.0), fp16__ort=metered(mj), int8__ort=cell())
    assert found.recommendations["energy"] == Recommendation(cell="fp16/ort", tied=tied, batch_size=32)


def test_without_a_meter_no_cell_is_the_one_of_least_energy():
    assert decided(fp32__ort=cell()).recommendations["energy"] == Recommendation(cell=None)


def test_what_does_not_pass_is_recommended_for_no_use():
    worse = replace(metered(0.1, size=0.1, ms=0.1), accuracy=cell(900, 0).accuracy)
    found = decided(fp32__ort=metered(1.0), int8__ort=worse)
    assert found.cells["int8/ort"].verdict == "fail"
    assert {choice.cell for choice in found.recommendations.values()} == {"fp32/ort"}
