"""Which engine a machine can load, and in what words another is refused."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from roundoff.backend import cuda
from roundoff.backend.trt import compatibility as trt_fit
from roundoff.backend.trt.library import make_log
from roundoff.errors import BuildError, Unavailable
from tests.support import fake_trt
from tests.support.fake_cuda import Error
from tests.support.fake_trt import FakeTensorrt


def test_an_engine_that_does_not_deserialize_is_unavailable_in_tensorrts_words(load, gpu):
    with pytest.raises(Unavailable, match="refuses the engine: the plan is broken"):
        load(plan=b"broken")
    assert not gpu.live


def test_an_engine_for_another_library_is_refused_with_both_versions(gpu):
    trt = FakeTensorrt(gpu)
    with pytest.raises(
        Unavailable, match=r"built for library tensorrt_rtx 9, but here is library tensorrt_rtx 0\.0\.1"
    ):
        trt_fit.refuse_foreign(trt, {"library": "tensorrt_rtx 9"}, b"plan", make_log(trt))


def test_an_invalid_engine_is_refused_with_the_gpu_and_the_diagnosis(gpu):
    trt = FakeTensorrt(gpu)
    trt.validity = (trt.EngineValidity.INVALID, 3)
    words = (
        r"built for library tensorrt_rtx 0\.0\.1, and does not run on .*gpu Fake GPU, sm 9\.0.*: VERSION_MISMATCH, UNS"
    )
    with pytest.raises(Unavailable, match=words):
        trt_fit.refuse_foreign(trt, trt_fit.made_for(trt), b"plan", make_log(trt))


def test_an_unsupported_gpu_alone_is_left_for_loading_to_judge(gpu):
    trt = FakeTensorrt(gpu)
    trt.validity = (trt.EngineValidity.INVALID, 2)
    trt_fit.refuse_foreign(trt, trt_fit.made_for(trt), b"plan", make_log(trt))


def test_a_doubt_that_did_not_count_is_no_reason_of_what_comes(load, gpu):
    trt = FakeTensorrt(gpu)
    trt.validity = (trt.EngineValidity.INVALID, 2)
    log = make_log(trt)
    log.log(fake_trt.Severity.ERROR, "compute capability 9.0 is not supported")
    trt_fit.refuse_foreign(trt, trt_fit.made_for(trt), b"plan", log)
    log.log(fake_trt.Severity.ERROR, "kernel compilation failed")
    assert log.reason() == "kernel compilation failed"


def test_bytes_that_are_no_engine_are_an_error(gpu):
    trt = FakeTensorrt(gpu)
    trt.validity = (trt.EngineValidity.INVALID, 32)
    with pytest.raises(BuildError, match="no TensorRT-RTX engine"):
        trt_fit.refuse_foreign(trt, trt_fit.made_for(trt), b"plan", make_log(trt))


def test_a_gpu_bound_library_names_gpu_and_driver(gpu, monkeypatch):
    monkeypatch.setattr(trt_fit, "builds_ahead_of_time", lambda trt: False)
    trt = FakeTensorrt(gpu)
    whole = {"library": "tensorrt_rtx 0.0.1", "gpu": "Fake GPU", "sm": "9.0", "driver": "CUDA 13.0"}
    assert trt_fit.made_for(trt) == whole
    same = trt_fit.made_for(trt, "SAME_COMPUTE_CAPABILITY")
    portable = trt_fit.made_for(trt, "AMPERE_PLUS", version_compatible=True)
    assert same == {key: whole[key] for key in ("library", "sm", "driver")}
    assert portable == {"driver": "CUDA 13.0"}
    for made in (whole, same, portable):
        trt_fit.refuse_foreign(trt, made, b"plan", make_log(trt))
    with pytest.raises(Unavailable, match=r"built for gpu Other, but here is gpu Fake GPU"):
        trt_fit.refuse_foreign(trt, {"gpu": "Other"}, b"plan", make_log(trt))


def test_the_driver_is_nvmls_where_there_is_nvml(gpu, monkeypatch):
    nvml = SimpleNamespace(nvmlInit=lambda: None, nvmlSystemGetDriverVersion=lambda: b"570.86.10", NVMLError=OSError)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert cuda.device_identity()["driver"] == "570.86.10"


def test_no_driver_is_said_in_cudas_words(gpu):
    gpu.fail["cudaGetDeviceCount"] = Error.cudaErrorInsufficientDriver
    assert str(cuda.absence()) == (
        "no CUDA device, since there is no NVIDIA driver here or one too old: "
        "cudaGetDeviceCount: cudaErrorInsufficientDriver (words for cudaErrorInsufficientDriver)"
    )
