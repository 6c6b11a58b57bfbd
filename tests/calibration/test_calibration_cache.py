"""TensorRT's calibration cache, against documented examples."""

from __future__ import annotations

import pytest

from roundoff.calibration.base import CalibrationTable, TensorRange
from roundoff.calibration.cache import cache_from_table, scales_from_cache
from roundoff.errors import CalibrationError

# As NVIDIA's samples and forum posts show it: 3c010a14 is 1 / 127 within rounding, 3f800000 is 1.
DOCUMENTED = """TRT-8402-EntropyCalibration2
input_1: 3c010a14
(Unnamed Layer* 0) [Convolution]_output: 3f800000
prob: 3c010204
"""


def test_documented_caches_are_read():
    scales = scales_from_cache(DOCUMENTED)
    assert list(scales) == ["input_1", "(Unnamed Layer* 0) [Convolution]_output", "prob"]
    assert scales["prob"] == pytest.approx(1 / 127, rel=1e-6)
    assert scales["(Unnamed Layer* 0) [Convolution]_output"] == 1


def test_a_table_becomes_a_cache_and_back():
    ranges = {
        "image": TensorRange(-1.0, 0.5, -1.0, 0.5, "entropy", 0),
        "block/add:0": TensorRange(0.0, 6.35, 0.0, 7.0, "entropy", 0),
    }
    text = cache_from_table(CalibrationTable(ranges, {}))
    assert text == "TRT-100900-EntropyCalibration2\nimage: 3c010204\nblock/add:0: 3d4ccccd\n"
    assert scales_from_cache(text) == pytest.approx({"image": 1 / 127, "block/add:0": 0.05})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a first line like TRT"),
        ("input: 3c010204\n", "a first line like TRT"),
        ("TRT-8402-EntropyCalibration2\ninput 3c010204\n", "eight hexadecimal digits"),
        ("TRT-8402-EntropyCalibration2\ninput: 3c01020\n", "eight hexadecimal digits"),
        ("TRT-8402-EntropyCalibration2\ninput: 3c0102zz\n", "eight hexadecimal digits"),
    ],
)
def test_other_texts_are_refused(text, reason):
    with pytest.raises(CalibrationError, match=reason):
        scales_from_cache(text)
