"""What a leak is, and how it is watched for."""

from __future__ import annotations

import gc
import json

import onnx
import pytest

from benchmarks.gpu import bare_life, leaks
from roundoff.backend.trt import backend
from roundoff.backend.trt import build as trt_build
from roundoff.backend.trt import library as trt_library
from tests.support.fake_trt import FakeTensorrt
from tests.support.gpu_network import mean_plus_class_number


@pytest.fixture
def collected():
    """A reading's collection looks at what the test itself makes: the session's other objects are many, and stay."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_what_grew_beyond_the_allowance_is_a_leak(gpu):
    still = {"device_mb": 0.0, "host_mb": 0.0, "threads": 0, "files": 0}

    def leaked(ours: dict[str, float], bare: dict[str, float] | None = None) -> list[str]:
        half = {name: value / 2 for name, value in (still | ours).items()}
        course = [{"ours": half, "bare": still | (bare or {})}, {"ours": half, "bare": still}]
        return list(leaks.verdict(course)["leaked"])

    assert leaked({"host_mb": 7.0}) == []
    assert leaked({"host_mb": 9.0, "files": 1}) == ["host_mb", "files"]
    assert leaked({"host_mb": 150.0}, {"host_mb": 145.0}) == []
    assert leaked({"host_mb": 150.0}, {"host_mb": 100.0}) == ["host_mb"]
    assert leaked({"host_mb": 9.0}, {"host_mb": -5.0}) == ["host_mb"]


def test_memory_that_only_one_kind_of_cycle_rests_with_is_no_leak(gpu, monkeypatch):

    still = {"device_mb": 0.0, "host_mb": 100.0, "threads": 0, "files": 0}
    resting = dict(still)
    monkeypatch.setattr(leaks, "used", lambda: dict(resting))
    courses = list(leaks.watched(20, lambda: resting.update(host_mb=120.0), lambda: resting.update(host_mb=100.0)))
    found = leaks.verdict(courses[-1])
    assert (found["grown"]["host_mb"], found["grown_bare"]["host_mb"], found["leaked"]) == (0.0, 0.0, [])


def test_as_many_bare_cycles_are_watched_as_ours(gpu, collected):

    ours: list[int] = []
    bare: list[int] = []
    courses = [len(course) for course in leaks.watched(25, lambda: ours.append(1), lambda: bare.append(1))]
    assert courses == list(range(1, 11))
    uncounted = leaks.READINGS
    assert (len(ours), len(bare)) == (25 + uncounted, 25 + uncounted)


@pytest.mark.parametrize(("hoarded", "code"), [(0, 0), (1_000_000, 1)])
def test_the_leak_test_runs_from_end_to_end(gpu, collected, monkeypatch, tmp_path, hoarded, code):

    trt, whole = FakeTensorrt(gpu, profiles=((1, 8, 8),)), leaks.cycle

    def cycle(*arguments) -> None:
        whole(*arguments)
        gpu.used += hoarded

    gpu.capacity = 10**9
    monkeypatch.setattr(bare_life, "cuda", gpu)
    for module in (backend, trt_library):
        monkeypatch.setattr(module, "import_tensorrt", lambda name: trt)
    monkeypatch.setattr(backend, "build_engine", lambda *arguments: trt_build.Built(b"plan", b"", (), []))
    monkeypatch.setattr(leaks, "WARM_UP", 2)
    monkeypatch.setattr(leaks, "cycle", cycle)
    monkeypatch.setattr(leaks, "ALLOWED", {"device_mb": 4.0, "threads": 0})
    onnx.save(mean_plus_class_number(), tmp_path / "m.onnx")
    where = ["--onnx", str(tmp_path / "m.onnx"), "--out", str(tmp_path / "leaks.json")]
    assert leaks.main([*where, "--cycles", "10", "--batch", "8"]) == code
    report = json.loads((tmp_path / "leaks.json").read_text())
    assert report["complete"]
    assert report["leaked"] == (["device_mb"] if code else [])
    assert report["grown"]["device_mb"] == pytest.approx(10 * hoarded / 1e6)
    assert report["grown_bare"]["device_mb"] == 0
    assert not gpu.live
