"""The runner's logic on a fake GPU: what it computes, what it rotates over, what it frees, what it says."""

from __future__ import annotations

import itertools
import json
import os
import sys
from dataclasses import replace
from types import FrameType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from roundoff.backend.trt import binding as trt_bound
from roundoff.backend.trt import compatibility as trt_fit
from roundoff.backend.trt import cuda
from roundoff.backend.trt import runner as trt_runner
from roundoff.backend.trt.context import SCRATCH
from roundoff.backend.trt.library import make_log, write_cache
from roundoff.backend.trt.runner import TensorrtRunner
from roundoff.errors import BuildError, DataError, GateError, Unavailable, UnsteadyError
from roundoff.results.build import BuildInfo
from tests.support import fake_gpu
from tests.support.fake_gpu import CLASSES, IMAGE_SHAPE, Error, FakeCuda, FakeTensorrt, logits_of

random = np.random.default_rng(0)


def images(count: int) -> np.ndarray:
    return random.integers(0, 256, (count, *IMAGE_SHAPE), dtype=np.uint8)


@pytest.fixture
def gpu(monkeypatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    monkeypatch.setattr(trt_bound, "WARM_S", 0.001)
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=no_nvml, NVMLError=OSError))
    return fake


def no_nvml() -> None:
    raise OSError


@pytest.fixture
def load(gpu, tmp_path):
    runners = []

    def make(trt=None, plan=b"plan", build=None, streams=3, cuda_graphs=True) -> TensorrtRunner:
        trt = trt or FakeTensorrt(gpu)
        runners.append(
            TensorrtRunner(trt, plan, make_log(trt), build or BuildInfo(), tmp_path / "kernels", streams, cuda_graphs)
        )
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


@pytest.mark.parametrize("count", [0, 1, 4, 5, 11])
def test_infer_answers_any_number_of_images(load, count):
    batch = images(count)
    logits = load().infer(batch)
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(logits, logits_of(batch).reshape(count, CLASSES))


def test_device_is_the_uuid_as_nvidia_smi_writes_it(load):
    assert load().device == "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"


@pytest.mark.parametrize("cuda_graphs", [True, False])
@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5])
def test_every_timed_mode_leaves_each_inputs_logits(load, gpu, cuda_graphs, inputs):
    batches = [images(8) for _ in range(inputs)]
    with load(cuda_graphs=cuda_graphs).bind(batches) as bound:
        for run in (bound.end_to_end, bound.stream):
            bound.poison()
            assert all(np.isnan(lane.host_logits.array).all() for lane in bound.lanes)
            run(len(bound.lanes))
            for index, lane in enumerate(bound.lanes):
                np.testing.assert_array_equal(lane.host_logits.array, logits_of(batches[index % inputs]))
        bound.poison()
        bound.device_only(len(bound.lanes))
        for index, lane in enumerate(bound.lanes):
            if cuda_graphs or lane.stream is bound.streams[0]:
                np.testing.assert_array_equal(on_device(gpu, lane), logits_of(batches[index % inputs]))
            assert np.isnan(lane.host_logits.array).all()
        assert bound.info().cuda_graph is cuda_graphs


@pytest.mark.parametrize("cuda_graphs", [True, False])
@pytest.mark.parametrize("transfers", [True, False])
def test_outputs_are_each_inputs_logits(load, cuda_graphs, transfers):
    batches = [images(8) for _ in range(4)]
    with load(cuda_graphs=cuda_graphs).bind(batches) as bound:
        bound.poison()
        for found, batch in zip(bound.outputs(transfers), batches, strict=True):
            np.testing.assert_array_equal(found, logits_of(batch))


@pytest.mark.parametrize(("mode", "transfers"), [("stream", True), ("device_only", False)])
def test_outputs_are_those_of_the_timed_mode(load, monkeypatch, mode, transfers):
    with load().bind([images(8), images(8)]) as bound:
        monkeypatch.setattr(bound, mode, lambda runs: None)
        bound.poison()
        assert all(np.isnan(found).all() for found in bound.outputs(transfers))


def test_a_lane_that_was_left_out_is_found(load):
    with load().bind([images(8), images(8)]) as bound:
        bound.poison()
        bound.lanes[2].launch_round_trip = lambda: None
        with pytest.raises(GateError, match="lanes 0 and 2 answer one input differently"):
            bound.outputs(transfers=True)


def test_a_lane_that_answers_for_another_input_is_found(load):
    with load().bind([images(8), images(8)]) as bound:
        bound.lanes[2].lay_in(images(8))
        with pytest.raises(GateError, match=r"lanes 0 and 2 answer one input differently\n  received: logits "):
            bound.outputs(transfers=True)


def on_device(gpu: FakeCuda, lane) -> np.ndarray:
    """A lane's logits in device memory."""
    values = np.ctypeslib.as_array(gpu.live[lane.logits.handle][1])
    return values[: lane.host_logits.array.nbytes].view(np.float32).reshape(lane.host_logits.array.shape)


def test_poisoned_device_memory_is_nan(load, gpu):
    with load().bind([images(2)]) as bound:
        bound.poison()
        assert np.isnan(on_device(gpu, bound.lanes[0])).all()


def test_timed_runs_cover_all_inputs(load):
    batches = [images(1) for _ in range(4)]
    with load().bind(batches) as bound:
        assert len(bound.lanes) == 6
        bound.poison()
        bound.stream(6)
        for lane, batch in zip(bound.lanes, batches, strict=False):
            np.testing.assert_array_equal(lane.host_logits.array, logits_of(batch))


def test_device_only_times_each_run_by_events(load):
    with load().bind([images(1)]) as bound:
        np.testing.assert_allclose(bound.device_only(600), np.full(600, 0.25))


def test_replay_runs_from_the_graph(load, gpu):
    with load().bind([images(1)]) as bound:
        before = gpu.launches
        bound.stream(7)
        assert gpu.launches - before == 7


def test_a_context_that_cannot_be_captured_is_enqueued_and_says_why(load, gpu):
    gpu.fail["cudaStreamEndCapture"] = Error.cudaErrorStreamCaptureUnsupported
    batch = images(2)
    with load().bind([batch]) as bound:
        info = bound.info()
        assert info.cuda_graph is False
        assert "cudaStreamEndCapture: cudaErrorStreamCaptureUnsupported" in str(info.no_cuda_graph_reason)
        np.testing.assert_array_equal(bound.outputs(transfers=True)[0], logits_of(batch))


def test_batch_outside_every_profile_is_unavailable(load, gpu):
    trt = FakeTensorrt(gpu, profiles=((1, 1, 1), (4, 6, 8)))
    with pytest.raises(
        Unavailable, match=r"batch size 9 lies in no optimization profile of the engine \(1, 4 to 8\); build it"
    ):
        load(trt).bind([images(9)])


def test_the_profile_with_the_nearest_optimum_serves_a_batch(load, gpu):
    runner = load(FakeTensorrt(gpu, profiles=((1, 4, 8), (1, 1, 1), (1, 32, 32))))
    found = []
    for size in (1, 8, 32):
        with runner.bind([images(size)]) as bound:
            found.append(bound.info().profile)
    assert found == [[1, 1, 1], [1, 4, 8], [1, 32, 32]]


def test_no_memory_for_a_batch_makes_that_batch_unavailable_and_spoils_nothing(load, gpu):
    runner = load(FakeTensorrt(gpu, profiles=((1, 4, 8), (9, 1000, 10000))))
    before = dict(gpu.live)
    with pytest.raises(
        Unavailable, match=r"no memory left for batch size 10000: cudaMalloc: cudaErrorMemoryAllocation"
    ):
        runner.bind([images(10000)])
    assert gpu.live.keys() == before.keys()
    batch = images(8)
    np.testing.assert_array_equal(runner.infer(batch), logits_of(batch))


@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_tensorrts_own_lack_of_memory_makes_that_batch_unavailable(load, gpu, cuda_graphs):
    trt = FakeTensorrt(gpu, profiles=((1, 4, 8), (9, 512, 512)))
    runner = load(trt, cuda_graphs=cuda_graphs)
    trt.room_for = 8
    before = dict(gpu.live)
    with pytest.raises(Unavailable, match=r"no memory left for execute_async_v3: Requested amount of GPU memory"):
        runner.bind([images(512)])
    assert gpu.live.keys() == before.keys()
    batch = images(8)
    np.testing.assert_array_equal(runner.infer(batch), logits_of(batch))


def test_probes_are_measured_warm_and_back_to_back(load, gpu):
    with load().bind([images(1)]) as bound:
        before = gpu.launches
        info = bound.info()
        assert gpu.launches - before > 2 * trt_bound.PROBES
        assert info.enqueued_device_ms == info.copy_ms == pytest.approx(0.25)
        assert info.enqueue_ms > 0


def test_scratch_is_shared_between_bindings_and_between_engines(load, gpu):
    first, second = load(), load()
    with first.bind([images(8)]), second.bind([images(1)]):
        assert len(SCRATCH.blocks) == 3
    first.close()
    second.close()
    assert SCRATCH.blocks == []


def test_memory_is_the_engines_whatever_else_is_loaded(load, gpu):
    trt = FakeTensorrt(gpu)
    trt.engine_bytes = 5000
    with load(trt).bind([images(8)]):
        assert load(trt).memory_mb() == load(trt).memory_mb() == pytest.approx(0.005, rel=0.1)


def test_memory_counts_the_engine_and_its_largest_binding(load):
    runner = load()
    loaded = runner.memory_mb()
    with runner.bind([images(8)]) as bound:
        assert runner.memory_mb() == pytest.approx(loaded + bound.device_bytes / 1e6)
        assert bound.device_bytes >= 3 * 8000
        most = runner.memory_mb()
        with runner.bind([images(1)]):
            assert runner.memory_mb() == most


@pytest.mark.parametrize("compatible", [True, False])
def test_only_a_version_compatible_plan_may_bring_code_for_the_host(load, gpu, compatible):
    runner = load(FakeTensorrt(gpu), build=BuildInfo(version_compatible=compatible))
    assert runner._engine.runtime.engine_host_code_allowed is compatible


def test_a_device_that_cannot_be_chosen_is_an_error_that_names_the_call(load, gpu):
    gpu.fail["cudaSetDevice"] = Error.cudaErrorInvalidValue
    with pytest.raises(cuda.CudaError, match="cudaSetDevice: cudaErrorInvalidValue"):
        load()


def test_a_hundred_cycles_leave_nothing(load, gpu):
    for _ in range(100):
        runner = load(streams=2)
        runner.bind([images(1), images(1)])
        runner.close()
        assert not gpu.live
    assert gpu.used == 0


def test_closing_twice_is_harmless(load):
    runner = load()
    bound = runner.bind([images(1)])
    runner.close()
    runner.close()
    bound.close()


def test_a_failing_call_is_named_with_cudas_own_words(load, gpu):
    with load().bind([images(1)]) as bound:
        gpu.fail["cudaStreamSynchronize"] = Error.cudaErrorInvalidValue
        with pytest.raises(cuda.CudaError, match=r"cudaStreamSynchronize: cudaErrorInvalidValue \(words for"):
            bound.end_to_end(1)
        gpu.fail.clear()


def test_closing_frees_everything_even_if_the_device_has_failed(load, gpu):
    runner = load()
    runner.bind([images(8)])
    gpu.fail["cudaStreamSynchronize"] = Error.cudaErrorInvalidValue
    with pytest.raises(cuda.CudaError, match="cudaStreamSynchronize"):
        runner.close()
    gpu.fail.clear()
    assert not gpu.live
    assert SCRATCH.blocks == []


def test_a_binding_that_fails_to_close_frees_everything_and_its_runner_too(load, gpu):
    runner = load()
    bound = runner.bind([images(8)])
    gpu.fail["cudaStreamSynchronize"] = Error.cudaErrorInvalidValue
    with pytest.raises(cuda.CudaError, match="cudaStreamSynchronize"):
        bound.close()
    gpu.fail.clear()
    runner.close()
    assert not gpu.live


def test_loading_that_fails_at_the_kernels_frees_everything(load, gpu, monkeypatch):
    def broken(self):
        raise MemoryError("serialize")

    monkeypatch.setattr(fake_gpu.IRuntimeCache, "serialize", broken)
    with pytest.raises(MemoryError):
        load()
    assert not gpu.live


def test_a_closed_engine_is_not_run(load):
    runner = load()
    runner.close()
    with pytest.raises(ValueError, match="closed"):
        runner.infer(images(1))
    with pytest.raises(ValueError, match="closed"):
        runner.bind([images(1)])


@pytest.mark.parametrize(("kind", "call"), [("IExecutionContext", "set_input_shape"), ("IRuntimeCache", "serialize")])
def test_an_interrupt_inside_tensorrt_comes_through_at_once(load, gpu, monkeypatch, kind, call):
    trt = FakeTensorrt(gpu)
    runner = load(trt)
    called = getattr(getattr(fake_gpu, kind), call)

    def interrupted(self, *arguments):
        make_log(trt).raised = KeyboardInterrupt()
        monkeypatch.setattr(fake_gpu.IExecutionContext, "execute_async_v3", forbidden)
        monkeypatch.setattr(trt_runner, "write_cache", forbidden)
        return called(self, *arguments)

    def forbidden(*arguments):
        raise AssertionError("work went on after the interrupt")

    monkeypatch.setattr(getattr(fake_gpu, kind), call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.bind([images(1)])


def test_an_interrupt_while_kernels_are_read_comes_through_at_once(load, gpu, tmp_path, monkeypatch):
    (tmp_path / "kernels").write_bytes(b"kernels")
    trt = FakeTensorrt(gpu)

    def interrupted(self, blob):
        make_log(trt).raised = KeyboardInterrupt()
        return True

    monkeypatch.setattr(fake_gpu.IRuntimeCache, "deserialize", interrupted)
    monkeypatch.setattr(fake_gpu.IRuntimeConfig, "set_runtime_cache", lambda self, cache: pytest.fail("work went on"))
    with pytest.raises(KeyboardInterrupt):
        load(trt)
    assert not gpu.live


def test_kernels_that_are_refused_are_no_reason_of_what_comes(load, gpu, tmp_path, monkeypatch):
    (tmp_path / "kernels").write_bytes(b"of another GPU")
    trt = FakeTensorrt(gpu)
    refuse = fake_gpu.IRuntimeCache.deserialize

    def refused(self, blob):
        make_log(trt).log(fake_gpu.Severity.ERROR, "the cache is of another GPU")
        return refuse(self, blob)

    monkeypatch.setattr(fake_gpu.IRuntimeCache, "deserialize", refused)
    load(trt)
    assert make_log(trt).reason() == "TensorRT logged no error"


def test_kernels_that_cannot_be_read_are_compiled_again(load, tmp_path, caplog):
    (tmp_path / "kernels").mkdir()
    assert load().cache_was_warm is False
    assert "kernels cannot be read" in caplog.text


def test_compiled_kernels_are_kept_and_reused(load, tmp_path):
    with load().bind([images(1)]) as cold:
        assert cold.info().runtime_cache_warm is False
    assert (tmp_path / "kernels").read_bytes() == b"kernels"
    with load().bind([images(1)]) as warm:
        assert warm.info().runtime_cache_warm is True


def test_kernels_that_are_refused_are_told_in_tensorrts_words_and_replaced(load, tmp_path):
    (tmp_path / "kernels").write_bytes(b"of another GPU")
    with load().bind([images(1)]) as bound:
        info = bound.info()
    assert info.runtime_cache_warm is False
    assert info.runtime_cache_problem == (
        "what was kept is refused: [Runtime Cache]: Fingerprint check failed; rejecting cache."
    )
    assert (tmp_path / "kernels").read_bytes() == b"kernels"
    with load().bind([images(1)]) as bound:
        assert bound.info().runtime_cache_problem is None


def test_kernels_that_are_refused_go_even_if_there_are_none_to_replace_them(load, gpu, tmp_path):
    (tmp_path / "kernels").write_bytes(b"of another GPU")
    trt = FakeTensorrt(gpu)
    trt.kernels = b""
    with load(trt).bind([images(1)]) as bound:
        words = bound.info().runtime_cache_problem
    assert words.startswith("what was kept is refused: ")
    assert " / nothing to keep was given: " in words
    assert not (tmp_path / "kernels").exists()


def test_kernels_that_cannot_be_serialized_are_told_in_tensorrts_words(load, gpu, tmp_path):
    trt = FakeTensorrt(gpu)
    trt.kernels = b""
    with load(trt).bind([images(1)]) as bound:
        words = bound.info().runtime_cache_problem
    assert words == "nothing to keep was given: [RUNTIME CACHE]: Error serializing graph"
    assert not (tmp_path / "kernels").exists()


def test_kernels_that_nobody_used_for_months_go(load, tmp_path):
    old, new, other = (tmp_path / name for name in ("a-runtime.cache", "b-runtime.cache", "c-timing.cache"))
    for path in (old, new, other):
        path.write_bytes(b"kernels")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    load().bind([images(1)])
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


def test_loading_marks_kernels_as_used(load, tmp_path):
    (tmp_path / "kernels").write_bytes(b"kernels")
    os.utime(tmp_path / "kernels", (0, 0))
    load()
    assert (tmp_path / "kernels").stat().st_mtime > 1e9


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 4, 4, 1), np.uint8), np.zeros((2, 48), np.uint8), np.zeros((2, *IMAGE_SHAPE), np.float32)]
)
def test_images_of_another_shape_are_refused(load, wrong):
    runner = load()
    words = r"not what the engine takes\n  received: (uint8|float32) \(2, .*\n  expected: uint8 \(n, 4, 4, 3\)"
    with pytest.raises(DataError, match=words):
        runner.infer(wrong)
    with pytest.raises(DataError, match=words):
        runner.bind([wrong])


def test_a_cache_that_cannot_be_written_is_a_warning(load, tmp_path, caplog):
    (tmp_path / "kernels").mkdir()
    write_cache(tmp_path / "kernels", b"kernels")
    assert "is not kept" in caplog.text
    (tmp_path / "kernels").rmdir()


def test_an_engine_that_does_not_deserialize_is_unavailable_in_tensorrts_words(load, gpu):
    with pytest.raises(Unavailable, match="refuses the engine: the plan is broken"):
        load(plan=b"broken")
    assert not gpu.live


def layer(kind: str) -> dict[str, Any]:
    return {"Name": "conv", "LayerType": "Convolution", "Inputs": [{"Name": "x", "Format/Datatype": kind}]}


def test_int8_without_an_int8_convolution_fails(load, gpu):
    with pytest.raises(GateError, match="claims int8 shows no convolution in int8"):
        load(FakeTensorrt(gpu, layers=[layer("Half")]), build=BuildInfo(weights="int8", activations="int8"))
    assert not gpu.live


def test_the_loaded_engine_is_held_to_the_claim_whatever_the_build_told(load, gpu):
    runner = load(FakeTensorrt(gpu, layers=[layer("Half")]), build=BuildInfo(weights="int8", layer_types={"int8": 9}))
    with pytest.raises(GateError, match="claims int8 shows no convolution in int8"):
        runner.layer_types()


def test_types_that_the_build_could_not_tell_are_judged_with_a_context(load, gpu):
    unknown = layer("N/A due to dynamic shapes")
    build = BuildInfo(weights="int8", layer_types={"unknown": 1})
    good = FakeTensorrt(gpu, layers=[layer("Int8 NC/32HW32")])
    good.layers_without_context = [unknown]
    assert load(good, build=build).layer_types().layer_types == {"int8": 1}
    with pytest.raises(GateError, match="claims int8"):
        load(FakeTensorrt(gpu, layers=[layer("Half")]), build=build)


def test_an_engine_that_nothing_is_told_of_is_no_int8_engine(load, gpu):
    build = BuildInfo(weights="int8", layer_types={"int8": 9})
    assert load(FakeTensorrt(gpu), build=build).layer_types() is None
    with pytest.raises(GateError, match="received: nothing: this library does not tell"):
        load(FakeTensorrt(gpu), build=replace(build, layer_types={}))


def test_loading_takes_one_logger_however_often(gpu):
    trt = FakeTensorrt(gpu)
    assert len({id(make_log(trt)) for _ in range(10)}) == 1
    make_log(trt).log(3, "x")
    make_log(trt).log(1, "first")
    make_log(trt).log(1, "second")
    assert make_log(trt).reason() == "TensorRT logged no error"


def test_the_reason_is_the_first_error_unless_one_is_of_memory(gpu):
    log = make_log(FakeTensorrt(gpu))
    for words in ("one", "two"):
        log.log(1, words)
    assert (log.reason(), log.reason()) == ("one", "TensorRT logged no error")
    for words in ("one", "Error Code 2: OutOfMemory"):
        log.log(1, words)
    assert log.reason() == "Error Code 2: OutOfMemory"


def test_int8_with_an_int8_convolution_passes(load, gpu):
    runner = load(FakeTensorrt(gpu, layers=[layer("Int8 NC/32HW32")]), build=BuildInfo(weights="int8"))
    assert runner.layer_types().layer_types == {"int8": 1}
    assert json.loads(runner.inspection())["Layers"]


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
    log.log(fake_gpu.Severity.ERROR, "compute capability 9.0 is not supported")
    trt_fit.refuse_foreign(trt, trt_fit.made_for(trt), b"plan", log)
    log.log(fake_gpu.Severity.ERROR, "kernel compilation failed")
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
        "no CUDA device: cudaGetDeviceCount: cudaErrorInsufficientDriver (words for cudaErrorInsufficientDriver)"
    )


@pytest.mark.parametrize("name", [name for name in vars(FakeCuda) if name.startswith("cuda")])
def test_fake_cuda_has_the_real_names_and_parameters(name):
    real = pytest.importorskip("cuda.bindings.runtime")
    theirs, ours = getattr(real, name), getattr(FakeCuda, name)
    if callable(ours):
        signature = theirs.__doc__.split(")")[0].split("(", 1)[1]
        count = len([part for part in signature.split(",") if part.strip()])
        assert ours.__code__.co_argcount - 1 == count, theirs.__doc__.splitlines()[0]
    else:
        for member in vars(ours) if hasattr(ours, "__dict__") else ():
            assert hasattr(theirs, member)


@pytest.mark.parametrize(
    "kind", ["Runtime", "ICudaEngine", "IExecutionContext", "IRuntimeConfig", "IRuntimeCache", "EngineInspector"]
)
def test_fake_tensorrt_has_the_real_names(kind):
    trt = pytest.importorskip("tensorrt_rtx")
    for name in vars(getattr(fake_gpu, kind)):
        if not name.startswith("_"):
            assert hasattr(getattr(trt, kind), name), f"{kind}.{name}"


def unsteady(gpu, monkeypatch, alone):
    """Every third answer on the fake GPU is off by 5 %; `alone` says whether one stream by itself shows that, too."""
    runs = itertools.count()

    def logits(source):
        lone = any_frame("alone")
        off = next(runs) % 3 == 0 and (alone or not lone)
        return logits_of(source) * np.float32(1.05 if off else 1.0)

    monkeypatch.setattr(fake_gpu, "logits_of", logits)


def any_frame(name):
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != name:
        frame = frame.f_back
    return frame is not None


@pytest.mark.parametrize(
    ("alone", "words"),
    [
        (True, "it differs from run to run, too .*the library itself is not deterministic here"),
        (False, "it answers alike .*: what runs side by side, or from a CUDA graph, disturbs it"),
    ],
)
def test_lanes_that_disagree_are_looked_at_on_one_stream_before_anybody_is_blamed(load, gpu, monkeypatch, alone, words):
    with load().bind([images(8), images(8)]) as bound:
        unsteady(gpu, monkeypatch, alone)
        with pytest.raises(
            UnsteadyError, match=rf"on one stream and one context, enqueued one by one, {words}"
        ) as error:
            for _ in range(3):
                bound.outputs(transfers=True)
        assert error.value.repeat_spread == pytest.approx(0.05, rel=0.1)
        assert "driver" not in str(error.value)
