"""What is asked of networks at 224 × 224."""

import copy
from typing import Any

import pytest

from benchmarks.large.targets import STAGES, table, targets

GOOD: dict[str, Any] = {
    "planned": ["resnet50"],
    "classes": 1000,
    "rows": [
        {
            "network": "resnet50",
            "weights_mb": 100.0,
            "top1": 0.5,
            "cells": {"int8/onnxruntime": {"agreement": 0.98}, "int8/litert": {"agreement": None}},
            "speed": {"over_fp32": {"int8/onnxruntime": {"1": [2.0, 1.9, 2.1]}}},
            "costs": {name: {"seconds": 10.0, "peak_mb": 5900.0} for name in STAGES},
        }
    ],
}


def test_all_is_met():
    assert all(targets(GOOD).values())
    assert "| resnet50 | 100.0 | 50.0 | 98.00 |  | 2.00 (1.90 to 2.10) |  |" in table(GOOD)
    assert f"| resnet50{' | 10, 5900' * len(STAGES)} |" in table(GOOD)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: row.update(failed="export: exit code 1: error: x"), "not: resnet50"),
        (lambda row: row["costs"]["export"].update(peak_mb=6001.0), "but of: resnet50"),
        (lambda row: row.update(top1=0.009), "above chance (not: resnet50"),
    ],
)
def test_a_missed_target_names_the_network(change, words):
    result = copy.deepcopy(GOOD)
    change(result["rows"][0])
    assert [name for name, met in targets(result).items() if not met and words in name]


def test_the_network_itself_is_no_stage_and_large_weights_ask_for_more():
    result = copy.deepcopy(GOOD)
    result["rows"][0]["costs"]["the network itself"] = {"seconds": 1.0, "peak_mb": 9000.0}
    result["rows"][0]["costs"]["export"]["peak_mb"] = 7000.0
    result["rows"][0]["weights_mb"] = 2000.0
    assert all(targets(result).values())


def test_a_network_that_failed_is_a_row_with_its_words():
    result = copy.deepcopy(GOOD)
    result["rows"] = [{"network": "resnet50", "failed": "export: a|b", "costs": {}}]
    assert "| resnet50 | export: a/b |" in table(result)
