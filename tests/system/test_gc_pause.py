"""Python's garbage collector stays out of TensorRT, and is as it was afterwards."""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from roundoff.backend import cuda
from roundoff.backend.base import Source
from roundoff.backend.trt import backend as trt
from roundoff.backend.trt import runner as trt_runner
from roundoff.backend.trt.backend import Tensorrt
from roundoff.backend.trt.runner import TensorrtRunner
from roundoff.precision.fp32 import Fp32
from roundoff.results.build import BuildInfo
from roundoff.results.checked import as_json
from roundoff.system.gc_pause import collector_paused

pytest.importorskip("tensorrt_rtx")

# TensorRT logs, lock in hand, that the second builder has another logger; the log's Python code then collects garbage.
BUILD_OVER_GARBAGE = """
import gc, sys
from pathlib import Path
import tensorrt_rtx as trt
from roundoff.backend.trt import library as trt_library
from roundoff.system.gc_pause import collector_paused

class Garbage:
    def __init__(self, builder):
        self.builder, self.me = builder, self

class Littering(str):
    def __getitem__(self, level):
        littered = [[] for _ in range(10_000)]
        return super().__getitem__(level)

first, second = (trt_library.make_build_log(trt, Path(sys.argv[1])) for _ in range(2))
gc.collect()
Garbage(trt.Builder(first))
trt_library.LETTERS = Littering("FEWIV")
with collector_paused():
    trt.Builder(second)
gc.collect()
print("built")
"""


def test_a_build_over_the_garbage_of_another_does_not_hang(tmp_path):
    command = [sys.executable, "-c", BUILD_OVER_GARBAGE, str(tmp_path / "build.log")]
    assert subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout == "built\n"


def looking(seen: list[bool]) -> Callable[..., None]:
    def look(*_: object) -> None:
        seen.append(gc.isenabled())
        raise RuntimeError("enough seen")

    return look


def test_it_is_paused_while_an_engine_is_built(tmp_path, monkeypatch):
    seen: list[bool] = []
    monkeypatch.setattr(trt, "build_engine", looking(seen))
    with pytest.raises(RuntimeError, match="enough seen"):
        Tensorrt().build(Source("fp32", Fp32(), tmp_path, None, np.zeros((1, 8, 8, 3), np.uint8)), tmp_path)
    assert (seen, gc.isenabled()) == ([False], True)


def test_it_is_paused_while_an_engine_is_loaded(tmp_path, monkeypatch):
    seen: list[bool] = []
    (tmp_path / trt.INFO).write_text(json.dumps(as_json(BuildInfo(made_for={}))))
    (tmp_path / Tensorrt.artifact).write_bytes(b"plan")
    monkeypatch.setattr(trt, "TensorrtRunner", looking(seen))
    monkeypatch.setattr(trt, "refuse_foreign", lambda *_: seen.append(gc.isenabled()))
    monkeypatch.setattr(cuda, "absence", lambda: None)
    monkeypatch.setattr(cuda, "use_first_device", lambda: "GPU-1")
    with pytest.raises(RuntimeError, match="enough seen"):
        Tensorrt().load(tmp_path)
    assert (seen, gc.isenabled()) == ([False, False], True)


def test_it_is_paused_while_an_engine_is_bound(monkeypatch):
    seen: list[bool] = []
    monkeypatch.setattr(trt_runner, "TensorrtBinding", looking(seen))
    runner: Any = SimpleNamespace(
        _engine=None, _streams=3, _cuda_graphs=True, _bounds=[], _refuse_closed=list, _refuse_other_shape=id
    )
    runner._bound = lambda batches: TensorrtRunner._bound(runner, batches)
    with pytest.raises(RuntimeError, match="enough seen"):
        TensorrtRunner.bind(runner, [np.zeros((1, 8, 8, 3), np.uint8)])
    assert (seen, gc.isenabled()) == ([False], True)


def test_the_collector_is_as_it_was_afterwards_whatever_happens():
    with pytest.raises(ValueError, match="mishap"), collector_paused():
        assert not gc.isenabled()
        raise ValueError("mishap")
    assert gc.isenabled()
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
