"""TensorRT's calibration cache: the text that IInt8EntropyCalibrator2 hands to TensorRT up to version 10.

A header line, then one line per tensor: its name, a colon, and the scale (threshold / 127) as the hexadecimal digits of
a big-endian IEEE 754 float32. After the README of NVIDIA's sampleINT8 ("Calibration file"), the only description there
is; TensorRT itself leaves out leading zeros, so that a scale of 0 is the single digit 0.
"""

from __future__ import annotations

import math
import re
import struct

from roundoff.calibration.observing.table import CalibrationTable
from roundoff.errors import CalibrationError
from roundoff.graph.grid import grid_for

VERSION = 100900
"""TensorRT 10.9 in a header's digits. TensorRT skips a cache whose version it deems incompatible and calibrates itself
(NVIDIA/TensorRT, issue 1378): give the version that reads it."""


def cache_from_table(table: CalibrationTable, version: int = VERSION) -> str:
    """The cache's text for a table; int8 symmetric scales, in the table's order."""
    lines = [f"TRT-{version}-EntropyCalibration2"]
    for name, seen in table.ranges.items():
        scale, _ = grid_for(seen.low, seen.high, "int8", symmetric=True)
        lines.append(f"{name}: {struct.pack('>f', scale).hex()}")
    return "\n".join(lines) + "\n"


def scales_from_cache(text: str) -> dict[str, float]:
    """Scales by tensor name from a cache's text; raises CalibrationError for any other text."""
    lines = text.strip().splitlines()
    header = lines[0] if lines else ""
    if not (header.startswith("TRT-") and "Calibration" in header):
        raise _damaged(header, "a first line like TRT-100900-EntropyCalibration2")
    scales = {}
    for line in lines[1:]:
        name, separator, digits = line.rpartition(": ")
        if not separator or not re.fullmatch("[0-9a-fA-F]{1,8}", digits):
            raise _damaged(line, "NAME: and up to eight hexadecimal digits")
        scale = struct.unpack(">f", bytes.fromhex(digits.zfill(8)))[0]
        if not (0 <= scale < math.inf) or name in scales:
            raise _damaged(f"{line} ({scale})", "a finite scale of 0 or more, once for each tensor")
        scales[name] = scale
    if not scales:
        raise _damaged("no tensor", "a line for each tensor")
    return scales


def _damaged(received: str, expected: str) -> CalibrationError:
    return CalibrationError(
        "not a TensorRT calibration cache", received=repr(received), expected=expected, fix="run calibrate again"
    )
