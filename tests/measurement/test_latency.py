"""From raw samples to the metrics of a batch size."""

from dataclasses import replace

import numpy as np
import pytest

from roundoff.measurement.latency import batch_metrics, supported, warnings
from roundoff.measurement.samples import Block, Timing
from roundoff.results.cell import BindingInfo
from tests.support.present import present

NOTHING = BindingInfo()


def timing(rounds=10, runs=20, ms=2.0, noise=0.0):
    random = np.random.default_rng(0)
    blocks = []
    for number in range(rounds):
        device_ms = ms * (1 + noise * random.standard_normal(runs))
        blocks.append(Block(number, device_ms, 2 * ms * np.ones(runs), runs * ms / 1e3, runs, 0.1))
    return Timing(blocks, "target")


def test_throughput_is_images_over_wall_time_not_one_over_latency():
    found = batch_metrics(timing(), None, 32, NOTHING)
    assert found.throughput_per_s == pytest.approx(32 / 0.002)
    assert found.end_to_end_p50_ms == 4.0
    assert found.speedup is None


def test_percentiles_without_enough_samples_are_null():
    found = batch_metrics(timing(rounds=10, runs=20), None, 1, NOTHING)
    assert found.runs == 200
    assert found.device_p95_ms == 2.0
    assert found.device_p99_ms is None
    assert found.device_p999_ms is None


@pytest.mark.parametrize("clock", ["device", "end_to_end"])
def test_a_percentile_comes_with_its_interval(clock):
    blocks = [
        replace(block, end_to_end_ms=2 * block.device_ms) for block in timing(rounds=20, runs=40, noise=0.05).blocks
    ]
    found = batch_metrics(Timing(blocks), None, 1, NOTHING)
    for name in ("p50", "p90", "p95", "p99"):
        low, value, high = (getattr(found, f"{clock}_{name}{bound}_ms") for bound in ("_low", "", "_high"))
        assert low < value < high
    assert {getattr(found, f"{clock}_p999{bound}_ms") for bound in ("_low", "", "_high")} == {None}


def test_loads_that_differ_widen_the_interval_of_a_percentile():
    quiet = timing(rounds=20, runs=40, noise=0.05)
    shifted = Timing(
        [replace(block, device_ms=block.device_ms * (1 + 0.02 * (block.load % 5))) for block in quiet.blocks]
    )
    same, differ = (batch_metrics(one, None, 1, NOTHING) for one in (quiet, shifted))
    widths = [present(found.device_p90_high_ms) - present(found.device_p90_low_ms) for found in (same, differ)]
    assert widths[1] > 1.5 * widths[0]


def test_the_median_of_all_runs_lies_in_its_interval():
    blocks = [
        replace(block, device_ms=np.full(5 if block.load < 7 else 500, 1.0 + block.load)) for block in timing().blocks
    ]
    found = batch_metrics(Timing(blocks), None, 1, NOTHING)
    assert present(found.device_p50_low_ms) <= present(found.device_p50_ms) <= present(found.device_p50_high_ms)


def test_builds_that_took_the_loads_in_turn_have_a_median_each():
    blocks = [replace(block, device_ms=block.device_ms * (1 + block.load % 2)) for block in timing(rounds=6).blocks]
    assert batch_metrics(Timing(blocks), None, 1, NOTHING, builds=2).build_p50_ms == pytest.approx([2.0, 4.0])
    assert batch_metrics(Timing(blocks), None, 1, NOTHING).build_p50_ms is None


@pytest.mark.parametrize(("share", "least"), [(0.9, 64), (0.99, 662)])
def test_a_percentile_is_supported_from_its_least_number_on(share, least):
    assert not supported(share, least - 1)
    assert supported(share, least)


def test_the_speedup_comes_with_its_interval():
    found = batch_metrics(timing(ms=1.0), timing(ms=2.0), 1, BindingInfo(cuda_graph=True))
    assert [found.speedup_low, found.speedup, found.speedup_high] == [2.0, 2.0, 2.0]
    assert found.end_to_end_speedup == 2.0
    assert found.binding_info == BindingInfo(cuda_graph=True)


def test_the_two_speedups_are_of_their_own_times():
    half = [
        replace(block, device_ms=block.device_ms / 2, end_to_end_ms=block.end_to_end_ms / 4)
        for block in timing().blocks
    ]
    found = batch_metrics(Timing(half), timing(), 1, NOTHING)
    assert (found.speedup, found.end_to_end_speedup) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("info", "noise", "repeated", "code", "expected"),
    [
        (BindingInfo(enqueue_ms=1.7), 0, 0, "host_bound", "enqueueing takes 1.7 ms"),
        (BindingInfo(copy_ms=2.5), 0, 0, "copy_bound", "copies take 2.5 ms"),
        (BindingInfo(enqueued_device_ms=3.0), 0, 0, "graph_matters", "2 ms by graph replay, 3 ms enqueued"),
        (NOTHING, 0.05, 0, "noisy", "single runs vary by"),
        (NOTHING, 0, 2, "throttled", "2 rounds were repeated"),
    ],
)
def test_what_a_reader_must_know_is_said(info, noise, repeated, code, expected):
    (found,) = warnings(timing(noise=noise), info, repeated)
    assert found.code == code
    assert str(found).startswith(expected)


def test_a_sound_measurement_has_no_warnings():
    assert warnings(timing(noise=0.01), BindingInfo(enqueue_ms=1.5, copy_ms=1.9, enqueued_device_ms=2.05), 0) == []


def streaming(seconds_by_load):
    """A timing whose blocks streamed 20 images in each of the seconds given, by load."""
    block = timing().blocks[0]
    return Timing(
        [replace(block, load=load, stream_s=s) for load, rounds in enumerate(seconds_by_load) for s in rounds]
    )


def test_the_throughput_of_a_load_is_over_all_its_seconds_stalls_included():
    """Not the middle of its rounds' rates: half of a load's time may go by in one stall."""
    found = batch_metrics(streaming([[0.04, 0.04, 0.04, 0.36]] * 6), None, 1, NOTHING)
    assert found.throughput_per_s == pytest.approx(80 / 0.48)


def test_one_load_that_stalled_decides_neither_the_throughput_nor_its_interval():
    found = batch_metrics(streaming([[0.04]] * 9 + [[10.0]]), None, 1, NOTHING)
    figures = found.throughput_low_per_s, found.throughput_per_s, found.throughput_high_per_s
    assert figures == pytest.approx((500, 500, 500))


def test_the_throughput_lies_inside_its_interval_however_skewed_its_times_are():
    """Before, the mean rate stood at the lower end of the interval of the middle one."""
    random = np.random.default_rng(0)
    times = 0.04 * (1 + random.lognormal(-2, 1, (20, 14)))
    found = batch_metrics(streaming(times), None, 1, NOTHING)
    low, rate, high = (present(getattr(found, f"throughput{end}_per_s")) for end in ("_low", "", "_high"))
    assert rate == pytest.approx(np.median(20 * 14 / times.sum(axis=1)))
    assert low < 0.995 * rate < rate < 0.995 * high
