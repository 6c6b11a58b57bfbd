"""Ranges that cannot come from calibration are refused, at whichever end they come in."""

import json
from dataclasses import replace

import numpy as np
import pytest

from roundoff.calibration.base import Choice, TensorRange
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.observing.choosing import choose_range
from roundoff.calibration.observing.histogram import Histogram
from roundoff.calibration.observing.sound import faults
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.errors import CalibrationError
from roundoff.precision.rewriting.bias import bias_shift

SOUND = TensorRange(-1.0, 2.0, -1.5, 3.0, "mse", 0.01, channel_means=[0.5, 0.25], asymmetric=Choice(-1, 2.5, "mse", 0))


def test_a_sound_range_has_no_faults():
    assert list(faults(SOUND)) == []


def test_zero_is_on_every_grid_whether_it_was_seen_or_not():
    assert list(faults(TensorRange(0.0, 2.0, 1.0, 2.0, "mine", 0.0))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"high": 3.5}, "not within what was seen"),
        ({"low": -2.0}, "not within what was seen"),
        ({"high": -1.25}, "not within what was seen"),
        ({"seen_high": -2.0}, "no extremes"),
        ({"seen_high": 1e39}, "no extremes"),
        ({"seen_low": float("nan")}, "no extremes"),
        ({"high": float("nan")}, "not within what was seen"),
        ({"clipped_fraction": 1.5}, "no share"),
        ({"asymmetric": Choice(-1, 4, "mse", 0)}, "not within what was seen"),
        ({"asymmetric": Choice(1, 0.5, "mse", 0)}, "not within what was seen"),
        ({"channel_means": [0.5, 9.0]}, r"channel_means\[1\]"),
    ],
)
def test_a_range_that_cannot_be_is_refused_as_it_is_read(tmp_path, change, words):
    assert next(faults(replace(SOUND, **change)))
    if any(value != value for value in change.values()):
        return  # which JSON has no words for
    CalibrationTable({"relu": replace(SOUND, **change)}, Provenance()).save(tmp_path / "table.json")
    with pytest.raises(CalibrationError, match=rf"(?s)cannot read the calibration table.*relu: .*{words}"):
        CalibrationTable.load(tmp_path / "table.json")


def test_not_a_number_in_a_table_is_refused(tmp_path):
    CalibrationTable({"relu": SOUND}, Provenance()).save(tmp_path / "table.json")
    text = (tmp_path / "table.json").read_text()
    (tmp_path / "table.json").write_text(text.replace('"high": 2.0', '"high": NaN', 1))
    with pytest.raises(CalibrationError, match="NaN is no number in JSON"):
        CalibrationTable.load(tmp_path / "table.json")


def test_held_out_images_might_widen_the_ranges_of_an_earlier_format(tmp_path):
    CalibrationTable({"relu": replace(SOUND, low=-1.6, asymmetric=None)}, Provenance()).save(tmp_path / "table.json")
    content = json.loads((tmp_path / "table.json").read_text())
    (tmp_path / "table.json").write_text(json.dumps(content | {"format": 2}))
    assert CalibrationTable.load(tmp_path / "table.json").ranges["relu"].low == -1.6


def seen(*values):
    histogram = Histogram()
    histogram.add(np.array(values, np.float32))
    return histogram


def test_the_extremes_are_those_of_all_images_that_the_method_was_shown():
    found = choose_range(MinMax(), seen(-1.0, 2.0), seen(-3.0, 1.0))
    assert (found.seen_low, found.seen_high) == (-3.0, 2.0)


def test_a_method_of_ones_own_that_leaves_what_it_was_shown_is_named():
    class Wide(MinMax):
        name = "wide"

        def choices(self, seen, held_out):
            return Choice(-9.0, 9.0, self.name, 0.0), Choice(-9.0, 9.0, self.name, 0.0)

    with pytest.raises(CalibrationError, match="the calibration method wide chose a range that cannot be"):
        choose_range(Wide(), seen(-1.0, 2.0), seen(-1.0, 2.0))


def test_means_of_another_number_of_channels_are_refused():
    with pytest.raises(CalibrationError, match="do not fit a Conv's input"):
        bias_shift(np.zeros((4, 3)), [0.0, 0.0], groups=1)
