"""Calibration over random draws: groups add up to what one stream gives, and the answer to "do the images suffice?"."""

import numpy as np
import onnx
import pytest

from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError
from roundoff.calibration.observing.calibrate import calibrate
from roundoff.calibration.observing.draws import Drawing, _suffices, _summed_up, draws, sum_of
from roundoff.calibration.observing.histogram import Histogram
from roundoff.calibration.percentile import Percentile
from roundoff.errors import ConfigError
from roundoff.graph.observed import observed_tensors, required_tensors
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.results.checked import as_json, checked
from roundoff.results.preparation import CalibrationMetrics
from tests.support.calibration import network, pictures, write_prepared
from tests.support.present import present

GRID = Grid("uint8", symmetric=False)


def quantize(model, table):
    return Int8(last_layer=True).convert(model, GRID, table)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("draws")
    onnx.save(network(), folder / "model.onnx")
    return folder / "model.onnx", write_prepared(folder, train=1200)


def drawn(place, calibrator):
    return calibrate(calibrator, place[0], place[1], quantize=quantize)


def test_histograms_of_groups_add_up_to_that_of_all():
    values = np.random.default_rng(0).normal(size=(60, 4, 3, 3)).astype(np.float32)
    values[25] *= 40  # another exponent
    whole, parts = Histogram(), []
    for start in range(0, 60, 20):
        part = Histogram()
        for histogram in (part, whole):
            histogram.add(values[start : start + 20])
            histogram.add_channels(values[start : start + 20])
        parts.append(part)
    total = sum_of(parts)
    np.testing.assert_array_equal(total.counts, whole.counts)
    assert (total.low, total.high, total.zeros, total.total) == (whole.low, whole.high, whole.zeros, whole.total)
    assert (total.exponent, total.images) == (whole.exponent, 60)
    np.testing.assert_allclose(present(total.channel_means()), present(whole.channel_means()), rtol=1e-6)
    assert parts[0].total == 20 * 36


def test_a_draw_is_told_for_half_all_and_twice_the_images(place):
    found = present(drawn(place, MeanSquaredError(images=160, held_out=32, draws=6)).metrics.draws)
    assert (found.draws, found.judged) == (6, 299)
    assert [size.images for size in found.sizes] == [64, 160, 320]
    for size in found.sizes:
        assert size.agreement_low <= size.lowest <= size.agreement <= size.highest <= size.agreement_high <= 1
        assert size.agreement > 0.9
    assert present(found.gain_low) <= present(found.gain) <= present(found.gain_high)
    assert found.gain == pytest.approx(found.sizes[2].agreement - found.sizes[1].agreement)
    assert found.suffices in ("yes", "no", "undecided")
    assert checked(CalibrationMetrics, as_json(CalibrationMetrics(draws=found)), "calibrate.json").draws == found


def test_where_few_images_are_bright_the_draw_matters():
    """Dark images, one bright in thirty: a draw without one has another graph, and more images help."""
    model, bright = network(), pictures(1200, 0)
    images = bright // 12
    images[::30] = bright[::30]

    def other_if_clipped(given, table):
        assert table.provenance.model_sha256 == model_hash(given)
        return given if table.ranges["planes"].high > 1 else network(seed=5)

    drawing = Drawing(model, observed_tensors(model), required_tensors(model), images, other_if_clipped)
    found = present(draws(MinMax(images=32, held_out=32, draws=12), drawing, np.arange(1200), 0))
    assert [size.images for size in found.sizes] == [32, 64]
    assert found.sizes[0].lowest < found.sizes[0].highest == 1.0
    assert found.sizes[1].agreement > found.sizes[0].agreement
    assert present(found.gain) > 0


def test_it_costs_nothing_and_says_nothing_where_it_is_off(place):
    for count in (0, 1):
        assert drawn(place, Percentile(images=160, draws=count)).metrics.draws is None
    assert calibrate(Percentile(images=160, draws=4), *place).metrics.draws is None


def test_the_table_is_the_same_with_and_without(place):
    """So turning it on builds no engine anew."""
    with_draws, without = (drawn(place, Percentile(images=160, draws=count)).table for count in (2, 0))
    assert as_json(with_draws) == as_json(without)


def test_with_too_few_images_there_are_no_draws(tmp_path):
    onnx.save(network(), tmp_path / "model.onnx")
    prepared = write_prepared(tmp_path, train=300)
    found = calibrate(Percentile(images=250, draws=3), tmp_path / "model.onnx", prepared, quantize=quantize)
    assert found.metrics.draws is None


def test_an_interval_over_draws_is_students_prediction_interval():
    found = _summed_up({100: [0.90, 0.92, 0.94], 200: [0.93, 0.95, 0.97]}, 100, 50)
    own = found.sizes[0]
    half = 4.302653 * 0.02 * np.sqrt(1 + 1 / 3)
    assert own.agreement == pytest.approx(0.92)
    assert own.agreement_low == pytest.approx(0.92 - half, abs=1e-6)
    assert own.agreement_high == 1.0
    assert found.gain == pytest.approx(0.03)
    assert found.gain_low == pytest.approx(0.03, abs=1e-6)
    assert found.suffices == "no"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.01, 0.0005, "yes"), (0.0002, 0.0008, "yes"), (0.001, 0.004, "no"), (-0.001, 0.004, "undecided")],
)
def test_images_suffice_where_more_add_less_than_a_tenth_of_a_point(low, high, expected):
    assert _suffices(low, high) == expected


def test_draws_are_a_number_from_0_on():
    with pytest.raises(ConfigError, match=r"calibrate\.draws is out of range(.|\n)*-1"):
        MinMax(draws=-1)
