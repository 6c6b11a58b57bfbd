"""The evaluate stage's body that may stop early, on real engines: what it writes, and that the timing goes with it."""

from dataclasses import replace

import numpy as np
import pytest

from roundoff.measurement import speed
from roundoff.measurement.accuracy import NOT_RUN
from roundoff.measurement.plan import SpeedPlan
from roundoff.results.metrics import read_metrics
from tests.support.cells import QUICK, build, images_and_labels, prepare, run

TIMES = 8  # as many copies of the test set as leave something to save


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    root = tmp_path_factory.mktemp("early")
    prepare(root / "data")
    images, labels = images_and_labels(2)
    np.save(root / "data/test_images.npy", np.tile(images, (TIMES, 1, 1, 1)))
    np.save(root / "data/test_labels.npy", np.tile(labels, TIMES))
    build(root)
    early = replace(QUICK, stop_early=0.9, min_loads=20, min_seconds=0.5, interval_target=0.5, budget_seconds=20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "measure_device", seen)
        return root, run(root, early)


PLANS: list[SpeedPlan] = []


def seen(device, cells, plan, images, measure_device=speed.measure_device):
    PLANS.append(plan)
    return measure_device(device, cells, plan, images)


def test_fp32_and_what_keeps_its_accuracy_race(measured):
    (plan,) = PLANS
    assert plan.passing == plan.lossless == {f"{name}/onnxruntime" for name in ("fp32", "fp16", "half")}


def test_fp32_runs_all_images_and_others_until_they_decide(measured):
    root, rows = measured
    whole, part = rows["fp32/onnxruntime"].accuracy, rows["fp16/onnxruntime"].accuracy
    assert (whole.samples, whole.available) == (200 * TIMES, None)
    assert part.samples == 256
    assert part.available == 200 * TIMES
    assert part.relative_accuracy_low >= 0.9
    assert rows["fp16/onnxruntime"].stopped_early == {"answers", 1, 4}
    assert rows["fp32/onnxruntime"].stopped_early == {1, 4}
    assert read_metrics(root / "metrics").cells["fp16/onnxruntime"] == rows["fp16/onnxruntime"]
    assert 1e-5 < rows["fp16/onnxruntime"].numerics.relative_error < 1e-2


def test_answers_that_were_not_asked_for_are_told_from_answers(measured):
    root, _ = measured
    classes = np.load(root / "predictions/fp16/onnxruntime.npy", allow_pickle=False)[:, 0]
    assert (classes >= 0).sum() == 256
    assert (classes == NOT_RUN).sum() == 200 * TIMES - 256


def test_timing_ends_early_and_its_outputs_are_checked(measured):
    """After eight loads on a quiet machine, as test_timing_ends.py holds by a clock of its own."""
    _, rows = measured
    for name in ("fp32/onnxruntime", "fp16/onnxruntime"):
        for batch in rows[name].batches.values():
            assert (batch.status, batch.stop_reason) == ("measured", "early")
            assert batch.loads >= 8
            assert batch.output_error <= batch.output_tolerance
