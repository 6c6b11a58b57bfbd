"""What the GPU benchmark asks of its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from benchmarks.gpu import targets


def measured(**changes) -> dict[str, Any]:
    batch = {"status": "measured", "device_over_bare": 1.01, "throughput_over_limit": 0.95}
    accuracy = {"top1": 0.9, "onnxruntime_low": 0.89, "onnxruntime_high": 0.91}
    return {"status": "measured", "accuracy": accuracy, "batches": {"1": batch, "1024": batch | changes}}


def missed(cells: dict[str, Any]) -> list[str]:
    return [target.name for target in targets.targets(cells, [1, 1024]) if not target.met]


def test_good_figures_meet_every_target():
    assert missed({"m/fp16": measured()}) == []
    assert len(targets.targets({"m/fp16": measured()}, [1, 1024])) == 4


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"device_over_bare": 1.031}, "m/fp16, batch 1024: device-only time over the bare replay's"),
        ({"device_over_bare": 0.969}, "m/fp16, batch 1024: device-only time over the bare replay's"),
        ({"throughput_over_limit": 0.89}, "m/fp16, batch 1024: throughput over its limit"),
        ({"throughput_over_limit": float("nan")}, "m/fp16, batch 1024: throughput over its limit"),
    ],
)
def test_a_missed_target_is_named(changes, name):
    assert missed({"m/fp16": measured(**changes)}) == [name]


def test_another_accuracy_is_missed():
    cell = measured()
    cell["accuracy"] = cell["accuracy"] | {"top1": 0.92}
    assert missed({"m/fp16": cell}) == ["m/fp16: top-1 within ONNX Runtime's 95 % interval"]
    assert missed({"m/int8": cell}) == []


def test_failures_are_missed_and_reasons_are_not():
    cells = {"m/fp16": measured(), "m/int8": {"status": "unavailable", "reason": "no INT8"}}
    assert missed(cells) == []
    cells["m/bf16"] = {"status": "failed", "reason": "CudaError"}
    assert missed(cells) == ["m/bf16: measured at all (CudaError)"]


def test_nothing_measured_is_missed():
    assert missed({"m/int8": {"status": "unavailable", "reason": "no GPU"}}) == ["at least one cell measured"]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
def test_a_float_precision_must_be_measured_at_every_batch_size(precision):
    name, no_room = f"m/{precision}", {"status": "unavailable", "reason": "no room"}
    cell = measured()
    cell["batches"]["1024"] = no_room
    assert missed({name: cell}) == [f"{name}, batch 1024: measured at all (no room)"]
    del cell["batches"]["1024"]
    assert missed({name: cell}) == [f"{name}, batch 1024: measured at all (no row)"]
    assert missed({name: no_room, "m/int8": measured()}) == [f"{name}: measured at all (no room)"]


@pytest.mark.parametrize("precision", ["int8", "fp8", "int8_fp16", "torch"])
def test_other_precisions_may_be_unavailable_and_may_not_fail(precision):
    name, cells = f"m/{precision}", {"m/fp16": measured()}
    row = {"status": "measured", "device_over_bare": 1.0, "throughput_over_limit": 1.0}
    accuracy = {"top1": 0.5}
    cell: dict[str, Any] = {
        "status": "measured",
        "accuracy": accuracy,
        "batches": {"1": row, "1024": {"status": "unavailable"}},
    }
    assert missed(cells | {name: cell}) == []
    cell["batches"]["1024"] = {"status": "failed", "reason": "wrong logits"}
    assert missed(cells | {name: cell}) == [f"{name}, batch 1024: measured at all (wrong logits)"]


@given(st.integers(1, 10000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(pair):

    correct, count = pair
    expected = binomtest(correct, count).proportion_ci(method="wilson")
    np.testing.assert_allclose(targets.wilson(correct, count), (expected.low, expected.high), atol=1e-9)
