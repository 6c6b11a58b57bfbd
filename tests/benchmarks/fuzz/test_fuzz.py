"""Random networks are valid and the same each time, and the judgement of their rows."""

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks.fuzz.cells import PRECISIONS, tried
from benchmarks.fuzz.networks import CLASSES, images, network
from benchmarks.fuzz.targets import ratio, table, targets


@pytest.mark.parametrize("seed", range(12))
def test_a_network_is_valid_answers_and_is_the_same_each_time(seed):
    model = network(seed)
    onnx.checker.check_model(model, full_check=True)
    assert model == network(seed)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    picture = np.moveaxis(images(seed, 1), 3, 1).astype(np.float32) / 255
    assert session.run(None, {"images": picture})[0].shape == (1, CLASSES)


def test_other_seeds_are_other_networks_and_images():
    assert network(0) != network(1)
    assert not np.array_equal(images(0, 4), images(1, 4))


@pytest.mark.slow
def test_a_network_comes_through_in_every_precision():
    row = tried(0)
    assert {kind.partition(":")[0] for kind in row["outcomes"].values()} <= {"done", "refused"}
    assert all(
        row["outcomes"][f"{name} onnxruntime"] == "done" for name in PRECISIONS if name not in ("bf16", "int8_int16")
    )
    assert 0 < row["errors"]["cells"]["int8 onnxruntime"] < 0.2
    assert 0 < row["varying"]["tensorrt"]["mse"] <= row["errors"]["tensorrt"]["mse"]


def row(seed, outcome="done", **errors):
    told = {"seed": seed, "spread": 0.5, "outcomes": {"int8 tensorrt": outcome}}
    return told | {"errors": {"tensorrt": errors} if errors else {}}


def test_a_crash_and_a_default_that_is_far_from_the_best_miss_their_targets():
    rows = [
        row(0, mse=0.02, minmax=0.01) | {"varying": {"tensorrt": {"mse": 0.015, "minmax": 0.01}}},
        row(1, mse=0.021, minmax=0.01),
        row(2, "crash: KeyError"),
        row(3, "wrong: x"),
    ]
    missed = [name for name, good in targets({"planned": 4, "rows": rows}).items() if not good]
    assert [name.split(" (")[-1] for name in missed] == ["in: 2: int8 tensorrt)", "in: 3: int8 tensorrt)", "not: 1)"]
    shown = table({"planned": 4, "rows": rows})
    assert "| int8 tensorrt | 2 | 0 | 1 | 1 |  |" in shown
    assert "| tensorrt | 2 | 2.05 | 2.10 | 2.10 | 1 | 1.50 | 0 |" in shown


def test_errors_as_small_as_float32s_own_are_alike_and_infinite_ones_are_not():
    assert ratio(row(0, mse=1e-7, minmax=1e-9), "tensorrt") == 1.0
    assert ratio(row(0, mse=float("nan"), minmax=0.1), "tensorrt") == float("inf")
    assert ratio(row(0), "tensorrt") is None


def test_answers_that_are_lost_by_every_method_compare_none():
    lost = row(0, mse=0.9, minmax=0.6)
    assert ratio(lost, "tensorrt") is None
    assert "| tensorrt | 1 | nan | nan | nan | 0 | nan | 1 |" in table({"planned": 1, "rows": [lost]})
