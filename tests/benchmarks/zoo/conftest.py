"""A result of the zoo that meets every target, to be spoilt."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.zoo.targets import FEWEST
from tests.support.run import pristine, run

__all__ = ["pristine", "run"]
IMAGES, DRAWS = 1000, 3


def agreeing(wrong: int, first: int = 0) -> dict[str, Any]:
    """A measured cell that differs from FP32 in `wrong` answers, from image `first` on."""
    agrees = np.ones(IMAGES, bool)
    agrees[first : first + wrong] = False
    return {
        "status": "measured",
        "size_mb": 0.1,
        "agreement": 1 - wrong / IMAGES,
        "drop": [0.001, -0.002, 0.004],
        "in_8_bits": 12,
        "multiplying": 12,
        "inner": 11,
        "inner_in_8_bits": 11,
        "conversions": 3,
        "agrees": base64.b64encode(np.packbits(agrees).tobytes()).decode(),
    }


def row(name: str, draw: int) -> dict[str, Any]:
    cells = {
        "int8/onnxruntime": agreeing(10),
        "int8/litert": agreeing(12),
        "given_onnxruntime/onnxruntime": agreeing(11),
        "given_nncf/onnxruntime": agreeing(12, 500),
        "given_tflite/litert": agreeing(20),
    }
    speed = {
        "over_fp32": {"int8/onnxruntime": {"1": [1.5, 1.4, 1.6], "32": [2.0, 1.9, 2.1]}},
        "over_quantize_static": {"1": [0.97, 0.94, 1.0], "32": [1.1, 1.0, 1.2]},
    }
    return {
        "network": name,
        "draw": draw,
        "test_images": IMAGES,
        "parity": 3e-7,
        "cells": cells,
        "speed": speed if draw == 0 else None,
        "refused": {},
        "recipes": {"onnxruntime": "minmax"},
        "calibrators": {"images": {"mse": 0.0101, "best": 0.0100, "minmax": 0.02}} if draw == 0 else None,
        "costs": {"evaluate": {"seconds": 3.0, "peak_mb": 300.0}},
    }


@pytest.fixture
def result() -> dict[str, Any]:
    """Of as many networks as are asked for, in three draws."""
    names = [f"net{number}" for number in range(FEWEST)]
    rows = [row(name, draw) for name in names for draw in range(DRAWS)]
    return {"planned": names, "draws": DRAWS, "test_images": IMAGES, "rows": rows}


@pytest.fixture
def spoilt(result: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """The result with a cell of some networks replaced in all draws."""

    def spoil(cell: str, changes: dict[str, Any], networks: int = 1) -> dict[str, Any]:
        for each in result["rows"]:
            if int(each["network"].removeprefix("net")) < networks:
                each["cells"][cell] = each["cells"].get(cell, {}) | changes
        return result

    return spoil
