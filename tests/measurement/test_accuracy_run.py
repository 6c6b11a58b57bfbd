"""The test set shared by several GPUs: two names of one CPU stand for them."""

import multiprocessing
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.measurement import accuracy_run, evaluate
from roundoff.precision.fp32 import Fp32
from roundoff.system.files import read_json
from tests.support.cells import QUICK, HalfWeights, build, prepare, run

PLAN = replace(QUICK, accuracy_only=["gpu"], batch_sizes=[1])


@dataclass(frozen=True)
class Shared(OnnxRuntime):
    """Says of itself that it runs on a GPU; what `dies` names ends the process that answers with it."""

    on_gpu = True
    dies: str = ""

    def load(self, directory):
        runner: Any = super().load(directory)
        infer = runner.infer

        def answer(images):
            if self.dies == directory.parent.name and multiprocessing.parent_process():
                os._exit(1)
            return infer(images)

        runner.infer = answer
        return runner


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """Runs cells of a backend whose test set two processes share; rows by name, and the folder."""
    prepare(tmp_path / "data")
    build(
        tmp_path,
        precisions={"fp32": Fp32(), "fp16": HalfWeights(), "half": HalfWeights()},
        backends={"gpu": Shared(threads=1)},
    )

    def measured(gpus, plan=PLAN, **more):
        monkeypatch.setattr(evaluate, "equal_gpus", lambda device, platform: gpus)
        return run(tmp_path, plan, {"gpu": Shared(threads=1, **more)}), tmp_path

    return measured


@pytest.mark.slow  # two processes that load every library
def test_two_answer_as_one_does(shared):
    rows, root = shared([])
    alone = np.load(root / "predictions/fp16/gpu.npy")
    both, _ = shared(["first", "second"])
    np.testing.assert_array_equal(np.load(root / "predictions/fp16/gpu.npy"), alone)
    assert {name: row.accuracy for name, row in both.items()} == {name: row.accuracy for name, row in rows.items()}
    assert both["fp16/gpu"].numerics == rows["fp16/gpu"].numerics


@pytest.mark.slow
def test_a_process_that_dies_leaves_a_row_and_the_other_cells_stand(shared):
    rows, root = shared(["first", "second"], dies="fp16")
    assert (rows["fp16/gpu"].status, str(rows["fp16/gpu"].reason)) == ("failed", "running the test set failed")
    assert rows["fp32/gpu"].accuracy.samples == rows["half/gpu"].accuracy.samples == 200
    assert not (root / "predictions/fp16/gpu.npy").exists()
    assert read_json(root / "metrics/fp16.json")["gpu"]["status"] == "failed"


def test_cells_that_may_stop_early_are_run_by_the_stage_itself(shared, monkeypatch):
    named: list[str] = []

    def started(_, cells, *__):
        named.extend(cell.name for cell in cells)
        return {}

    monkeypatch.setattr(accuracy_run.Spread, "started", started)
    shared(["first", "second"], replace(PLAN, stop_early=0.9))
    assert named == ["fp32/gpu"]
