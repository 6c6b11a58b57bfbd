"""The runner's logic on a fake GPU: what it computes, what it rotates over, what it frees, what it says."""

from __future__ import annotations

import itertools
import sys
from types import FrameType

import numpy as np
import pytest

from roundoff.backend import cuda
from roundoff.backend import gpu as gpu_bound
from roundoff.backend.trt.context import SCRATCH
from roundoff.backend.trt.library import make_log
from roundoff.errors import DataError, GateError, Unavailable, UnsteadyError
from roundoff.results.build import BuildInfo
from tests.support import fake_trt
from tests.support.fake_cuda import Error, FakeCuda
from tests.support.fake_trt import CLASSES, IMAGE_SHAPE, FakeTensorrt, images, logits_of


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
        assert gpu.launches - before > 2 * gpu_bound.PROBES
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


def unsteady(gpu, monkeypatch, alone):
    """Every third answer on the fake GPU is off by 5 %; `alone` says whether one stream by itself shows that, too."""
    runs = itertools.count()

    def logits(source):
        lone = any_frame("alone")
        off = next(runs) % 3 == 0 and (alone or not lone)
        return logits_of(source) * np.float32(1.05 if off else 1.0)

    monkeypatch.setattr(fake_trt, "logits_of", logits)


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
