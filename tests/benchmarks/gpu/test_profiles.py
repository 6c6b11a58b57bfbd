"""A range of batch sizes beside fixed ones."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import onnx
import pytest

from benchmarks.gpu import profiles
from roundoff.backend.trt import backend
from roundoff.backend.trt import build as trt_build
from roundoff.backend.trt import library as trt_library
from roundoff.backend.trt.backend import Tensorrt
from tests.support.fake_trt import FakeTensorrt
from tests.support.gpu_network import mean_plus_class_number


def test_the_comparison_of_profiles_runs_from_end_to_end(gpu, monkeypatch, tmp_path):

    trt, built = FakeTensorrt(gpu, profiles=((1, 1, 1), (8, 8, 8), (1, 4, 8))), []

    def build(_trt, _name, _graph, settings, *_):
        built.append(settings.profiles)
        return trt_build.Built(b"plan" * len(built), b"", (), [])

    gpu.capacity = 10**9
    for module in (backend, trt_library):
        monkeypatch.setattr(module, "import_tensorrt", lambda name: trt)
    monkeypatch.setattr(backend, "build_engine", build)
    onnx.save(mean_plus_class_number(), tmp_path / "m.onnx")
    where = ["--onnx", f"m={tmp_path / 'm.onnx'}", "--out", str(tmp_path / "profiles.json")]
    assert profiles.main([*where, "--batches", "1", "8", "--loads", "3", "--round-ms", "1"]) == 0
    assert built == [[(1, 1, 1), (8, 8, 8)], [(1, 4, 8)]]
    found = json.loads((tmp_path / "profiles.json").read_text())["models"]["m"]
    assert found["range"]["size_mb"] == 2 * found["fixed"]["size_mb"] == 8e-6
    assert set(found["range_over_fixed"]) == {"load_ms", "batch_1_ms", "batch_8_ms"}
    assert found["range_over_fixed"]["batch_8_ms"] == pytest.approx(1)
    assert not gpu.live


def test_a_range_that_takes_twice_as_long_has_the_ratio_two(monkeypatch, tmp_path):

    def built(_options, _model, directory, _profiles):
        directory.mkdir()
        (directory / "model.engine").write_bytes(b"plan")
        return profiles.Engine(Tensorrt(), directory, [])

    def lived(_options, engine, cold=True):
        return {"load_ms": 2.0 if engine.directory.name == "range" else 1.0}

    monkeypatch.setattr(profiles, "built", built)
    monkeypatch.setattr(profiles, "lived", lived)
    monkeypatch.setattr(profiles, "scattered", lambda random: nullcontext())
    assert profiles.compared(Namespace(batches=[1], loads=3), tmp_path)["range_over_fixed"] == {"load_ms": 2.0}


def test_a_comparison_of_profiles_without_kept_kernels_is_refused():

    compiled = MagicMock(cache_was_warm=False)
    compiled.__enter__.return_value = compiled
    backend: Any = SimpleNamespace(load=lambda directory: compiled)
    engine = profiles.Engine(backend, Path(), [])
    with pytest.raises(RuntimeError, match="kernels were not in the cache"):
        profiles.lived(Namespace(), engine, cold=False)
