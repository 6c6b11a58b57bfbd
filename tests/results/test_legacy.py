"""Files of before there was a format number: sentences become messages where something is decided by them."""

from typing import Any

import pytest

from roundoff.results.legacy import FORMER
from roundoff.results.message import message, verbatim
from roundoff.results.metrics import metrics_from, verdict_from

COUNTED = "of 22 convolutions and matrix products, 21 in int8, 1 in float32 instead of float16: "
COUNTED += "values rounded to the precision, multiplied in another type"
ROUNDED = message("rounded_only", total="22", counts="21 in int8, 1 in float32", named="float16")


def cell_with(**old):
    head = {"platform": {"id": "a"}, "reference": None, "method": {}}
    found = metrics_from({"fp32": head | {"ort": {"status": "measured", **old}}})
    return found.cells["fp32/ort"]


@pytest.mark.parametrize(
    ("note", "notes"),
    [
        (None, []),
        ("of its own", [verbatim("of its own")]),
        (COUNTED, [ROUNDED]),
        (f"{COUNTED}; optimized less", [ROUNDED, verbatim("optimized less")]),
        ("convolutions and matrix products: 9 in int8", [message("multiplying_layers", counts="9 in int8")]),
    ],
)
def test_a_note_that_counts_layers_has_its_code(note, notes):
    assert cell_with(note=note).notes == notes


def test_a_warning_has_its_code_and_its_values():
    batch = {"status": "measured", "variation": 0.684, "device_p50_ms": 0.1, "facts": {"enqueue_ms": 0.2}}
    batch["warnings"] = [
        "noisy: single runs vary by 68.4%",
        "host-bound: enqueueing takes",
        "throttled: 2 rounds",
        "new",
    ]
    assert cell_with(batch_1=batch).batches[1].warnings == [
        message("noisy", cv=0.684),
        message("host_bound", enqueue_ms=0.2, device_ms=0.1),
        message("throttled", rounds=2),
        verbatim("new"),
    ]


def test_why_a_figure_is_missing_stands_without_the_question():
    old = {"name": "memory", "verdict": "undecided", "found": None, "low": None, "high": None, "limit": 100}
    old["reason"] = "memory (device) is not known: the runtime does not tell; target at most 100 MB"
    other = old | {"name": "accuracy", "reason": "there is no FP32 reference to compare the accuracy with"}
    verdict = verdict_from({"cells": {"int8/ort": {"verdict": "undecided", "checks": [old, other]}}})
    assert [str(one.reason) for one in verdict.cells["int8/ort"].criteria] == [
        "the runtime does not tell",
        "there is no FP32 reference to compare the accuracy with",
    ]


def test_the_types_of_precisions_are_those_that_their_names_had():
    files = {
        "more": {"platform": {"id": "a"}, "reference": None, "method": {}, "bf16": {"ort": {"status": "measured"}}}
    }
    assert metrics_from(files).method.precisions == FORMER


def test_metrics_from_before_there_were_failures_read_as_they_did():
    old = {"status": "measured", "batch_1": {"reason": None, "runs": 9}, "batch_8": {"reason": "no room", "runs": 0}}
    head: dict[str, Any] = {"platform": {}, "reference": None, "method": {}}
    cell = metrics_from({"fp32": {**head, "x": old}}).cells["fp32/x"]
    assert [cell.batches[n].status for n in (1, 8)] == ["measured", "unavailable"]
    assert not cell.failed_batches
