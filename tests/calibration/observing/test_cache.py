"""TensorRT's calibration cache, against the samples that NVIDIA published."""

from __future__ import annotations

import pytest

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.cache import cache_from_table, scales_from_cache
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.errors import CalibrationError

# Word for word from the README of NVIDIA's sampleINT8, of TensorRT 5.1 and 7.0.
SAMPLES = {
    "TRT-5100": """TRT-5100-EntropyCalibration2
data: 3c000889
conv1: 3c8954be
pool1: 3c8954be
conv2: 3dd33169
pool2: 3dd33169
ip1: 3daeff07
ip2: 3e7d50ec
prob: 3c010a14
""",
    "TRT-7000": """TRT-7000-EntropyCalibration2
data: 3c008912
conv1: 3c88edfc
pool1: 3c88edfc
conv2: 3ddc858b
pool2: 3ddc858b
ip1: 3db6bd6e
ip2: 3e691968
prob: 3c010a14
""",
}

# Names and a scale of 0 as TensorRT 8.4.1 wrote them for a published network: no part of the description.
OBSERVED = """TRT-8401-EntropyCalibration2
input: 3caa54fc
(Unnamed Layer* 64) [Shuffle]_output: 0
(Unnamed Layer* 82) [Shuffle]_output: 3c56713e
"""


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_nvidias_samples_are_read(text):
    scales = scales_from_cache(text)
    assert list(scales) == ["data", "conv1", "pool1", "conv2", "pool2", "ip1", "ip2", "prob"]
    assert 127 * scales["prob"] == pytest.approx(1, rel=1e-3)
    assert scales["conv1"] == scales["pool1"]


def test_unnamed_layers_and_a_scale_without_leading_zeros_are_read():
    scales = scales_from_cache(OBSERVED)
    assert scales["(Unnamed Layer* 64) [Shuffle]_output"] == 0
    assert scales["(Unnamed Layer* 82) [Shuffle]_output"] == pytest.approx(0.013088523)


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_what_is_written_for_nvidias_scales_is_nvidias_text(text):
    ranges = {name: TensorRange(0, 127 * scale, 0, 1, "entropy", 0) for name, scale in scales_from_cache(text).items()}
    assert cache_from_table(CalibrationTable(ranges, Provenance()), version=int(text[4:8])) == text


def test_a_table_becomes_a_cache_and_back():
    ranges = {
        "image": TensorRange(-1.0, 0.5, -1.0, 0.5, "entropy", 0),
        "block/add:0": TensorRange(0.0, 6.35, 0.0, 7.0, "entropy", 0),
    }
    text = cache_from_table(CalibrationTable(ranges, Provenance()))
    assert text == "TRT-100900-EntropyCalibration2\nimage: 3c010204\nblock/add:0: 3d4ccccd\n"
    assert scales_from_cache(text) == pytest.approx({"image": 1 / 127, "block/add:0": 0.05})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a first line like TRT"),
        ("input: 3c010204\n", "a first line like TRT"),
        ("TRT-8402-EntropyCalibration2\ninput 3c010204\n", "up to eight hexadecimal digits"),
        ("TRT-8402-EntropyCalibration2\ninput: 03c010204\n", "up to eight hexadecimal digits"),
        ("TRT-8402-EntropyCalibration2\ninput: 3c0102zz\n", "up to eight hexadecimal digits"),
        ("TRT-8402-EntropyCalibration2\n", "a line for each tensor"),
        ("TRT-8402-EntropyCalibration2\ninput: 7fc00000\n", "a finite scale"),
        ("TRT-8402-EntropyCalibration2\ninput: 7f800000\n", "a finite scale"),
        ("TRT-8402-EntropyCalibration2\ninput: bf800000\n", "a finite scale"),
        ("TRT-8402-EntropyCalibration2\ninput: 3c010204\ninput: 3c010204\n", "once for each tensor"),
    ],
)
def test_other_texts_are_refused(text, reason):
    with pytest.raises(CalibrationError, match=reason):
        scales_from_cache(text)
