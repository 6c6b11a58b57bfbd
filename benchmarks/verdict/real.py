"""Speed verdicts on ONNX Runtime: the same network twice, and once slowed down by spinning."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.verdict.called import CANDIDATE, CONTROL, FP32, UNWATCHED, called, speedup
from roundoff.backend.base import Binding, Logits, Milliseconds
from roundoff.measurement.evaluate import Evaluation
from roundoff.measurement.heap_layout import scatter
from roundoff.measurement.timing import Fresh, Interleaved
from roundoff.system.device_lock import device_lock
from roundoff.system.progress import progress_bar

NAMES = [f"{FP32}0", f"{CANDIDATE}0", f"{CONTROL}0"]
REFERENCES = {NAMES[1]: NAMES[0], NAMES[2]: NAMES[0]}


class Slowed(Binding):
    """An engine whose every run takes `share` longer, by spinning."""

    def __init__(self, bound: Binding, share: float) -> None:
        self.bound, self.share, self.batch_size = bound, share, bound.batch_size

    def device_only(self, runs: int) -> Milliseconds:
        return np.concatenate([self._spun(self.bound.device_only) for _ in range(runs)])

    def end_to_end(self, runs: int) -> Milliseconds:
        return np.concatenate([self._spun(self.bound.end_to_end) for _ in range(runs)])

    def stream(self, runs: int) -> float:
        return float(self.end_to_end(runs).sum() / 1e3)

    def poison(self) -> None:
        self.bound.poison()

    def outputs(self, transfers: bool) -> list[Logits]:
        return self.bound.outputs(transfers)

    def _spun(self, run: Callable[[int], Milliseconds]) -> Milliseconds:
        times = run(1) * (1 + self.share)
        until = time.perf_counter() + float(times[0]) / 1e3 * self.share / (1 + self.share)
        while time.perf_counter() < until:
            pass
        return times


def real(runs: int) -> dict[str, Any]:
    """The same on ONNX Runtime: one small network as it is, or 3 % slower.

    A quarter of the rounds that ship, in slices as long as those: 0.75 seconds for each of the three entries.
    """
    ships = Evaluation().schedule()
    rounds, seconds = ships.rounds_per_load // 4, ships.min_seconds / 4
    schedule = replace(ships, warmup_ms=20, min_seconds=seconds, rounds_per_load=rounds, budget_seconds=3.0)
    found = {}
    with device_lock("cpu"), progress_bar("ONNX Runtime", 2 * runs) as bar:
        for name, share in (("aa", 0.0), ("slow_3", 0.03)):
            loops = []
            for seed in range(runs):
                fresh = _fresh_networks(share, seed)
                loops.append(Interleaved(NAMES, fresh, REFERENCES, schedule, UNWATCHED, seed, time.perf_counter))
                loops[-1].run()
                bar.advance()
            covered = [not speedup(loop, NAMES[1]).excludes(1 / (1 + share)) for loop in loops]
            found[name] = {**called(loops, [0]), "covered": float(np.mean(covered)), "runs": runs}
    return found


def _fresh_networks(share: float, seed: int) -> Fresh:
    """Loads of one network; the candidate's runs take `share` longer. All are wrapped alike, so that it costs alike."""
    slower, random = dict(zip(NAMES, (0.0, share, 0.0), strict=True)), np.random.default_rng(seed)

    @contextmanager
    def fresh(names: Sequence[str]) -> Iterator[Mapping[str, Binding]]:
        with ExitStack() as stack:
            bounds, blocks = {}, []
            for name in names:
                blocks.append(scatter(random))
                bounds[name] = Slowed(stack.enter_context(_network()), slower[name])
            yield bounds

    return fresh


def _network() -> Binding:
    """A small convolutional network on one thread of ONNX Runtime, bound to random images at batch size 4."""
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    from roundoff.backend.onnxrt.backend import OnnxRuntimeRunner

    random = np.random.default_rng(0)
    weights = [random.normal(size=shape).astype(np.float32) for shape in ((32, 3, 3, 3), (32, 32, 3, 3), (32, 10))]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "w0"], ["c0"], strides=[2, 2]),
        helper.make_node("Conv", ["c0", "w1"], ["c1"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c1"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w2"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 32, 32, 3])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])]
    tensors = [numpy_helper.from_array(values, f"w{index}") for index, values in enumerate(weights)]
    graph = helper.make_graph(nodes, "timed", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = random.integers(0, 256, (2, 4, 32, 32, 3), dtype=np.uint8)
    return OnnxRuntimeRunner(session, threads=1).bind(list(images))
