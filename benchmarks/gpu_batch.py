"""One engine at one batch size, timed in turn with the bare replay loop; and the peer, in turn with our FP16 engine."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bare import BareReplay

from roundoff.backend.trt_library import OUT_OF_MEMORY, import_tensorrt, make_log
from roundoff.errors import GateError, Unavailable
from roundoff.measurement.energy import energy_per_image, meter_for, no_energy
from roundoff.measurement.latency import PERCENTILES, supported
from roundoff.measurement.speed import check_outputs, tolerance

ENERGY_S = 2.0
WARM_S = 0.2


@dataclass
class Batch:
    """What one loaded engine is timed with; `logits` float32 [N, classes] are those of its accuracy run."""

    options: argparse.Namespace
    name: str
    runner: Any
    engine: Path
    logits: np.ndarray
    accuracy: dict[str, Any]

    def row(self, images: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        """Bind `images[rows]`, check and time; what does not fit, or computes something else, is the row."""
        inputs = [np.ascontiguousarray(images[row]) for row in rows]
        try:
            with self.runner.bind(inputs) as bound:
                self._check(bound, rows)
                row = self._timed(bound, inputs)
                self._check(bound, rows)
                return row | {"energy": self._energy(bound)}
        except Unavailable as reason:
            return {"status": "unavailable", "reason": str(reason)}
        except GateError as error:
            return {"status": "failed", "reason": str(error)}

    def _check(self, bound: Any, rows: np.ndarray) -> None:
        expected = np.concatenate([self.logits[row] for row in rows])
        check_outputs(self.name, bound, expected, tolerance(self.accuracy["relative_error"]))

    def _timed(self, bound: Any, inputs: list[np.ndarray]) -> dict[str, Any]:
        trt = import_tensorrt(self.options.module)
        kernels = self.runner.cache_file.read_bytes() if self.runner.cache_file.exists() else b""
        log = make_log(trt)
        try:
            bare = BareReplay(trt, self.engine, inputs, log, kernels)
        except RuntimeError as error:
            words = log.reason()
            if OUT_OF_MEMORY.search(f"{error} {words}"):
                raise Unavailable(f"no memory left for the bare loop: {error}; {words}") from None
            raise
        try:
            return compare(self.options, bound, bare)
        finally:
            bare.close()

    def _energy(self, bound: Any) -> dict[str, Any]:
        if bound.batch_size != max(self.options.batches):
            return no_energy("measured at the largest batch size only")
        try:
            return energy_per_image(bound, meter_for(self.runner.device), ENERGY_S)
        except Unavailable as missing:
            return no_energy(str(missing))


def compare(options: argparse.Namespace, bound: Any, bare: Any) -> dict[str, Any]:
    """Figures of the binding and of the bare loop, from rounds in which they take turns."""
    size, facts = bound.batch_size, bound.facts()
    bound.stream(20), warm_up(lambda: bare.each_ms(20))
    runs = runs_of(options, float(np.median(bare.each_ms(20))))
    rounds = [_round(bound, bare, runs, turn) for turn in range(options.rounds)]
    ours, theirs, tight, whole, seconds = (np.array(column) for column in zip(*rounds, strict=True))
    copy_in, copy_out = bare.copy_ms(max(5, min(runs, 50)))
    medians = np.median(ours, axis=1)
    limiting = max(copy_in, copy_out, float(np.median(tight)))
    throughput = size * runs * len(seconds) / float(seconds.sum())
    return {
        "status": "measured",
        "runs": runs * options.rounds,
        "device_ms": float(np.median(medians)),
        "bare_ms": float(np.median(theirs)),
        "bare_back_to_back_ms": float(np.median(tight)),
        "device_over_bare": float(np.median(medians / theirs)),
        "device_over_back_to_back": float(np.median(medians / tight)),
        "end_to_end_ms": float(np.median(whole)),
        **percentiles("device", ours.ravel()),
        **percentiles("end_to_end", whole.ravel()),
        "copy_in_ms": copy_in,
        "copy_out_ms": copy_out,
        "throughput_per_s": throughput,
        "limit_per_s": 1e3 * size / limiting,
        "throughput_over_limit": throughput * limiting / 1e3 / size,
        "facts": facts,
    }


def _round(bound: Any, bare: Any, runs: int, turn: int) -> tuple[np.ndarray, float, float, np.ndarray, float]:
    """Device-only times of each, milliseconds; which of the two comes first alternates."""
    if turn % 2:
        theirs, ours = np.median(bare.each_ms(runs)), bound.device_only(runs)
    else:
        ours, theirs = bound.device_only(runs), np.median(bare.each_ms(runs))
    tight, whole = bare.back_to_back_ms(runs), bound.end_to_end(runs)
    return ours, float(theirs), tight, whole, bound.stream(runs)


@dataclass
class PeerBatch:
    """The peer's rows; `ours` is our FP16 runner or None, `expected` ONNX Runtime's logits of the test images."""

    options: argparse.Namespace
    expected: np.ndarray
    ours: Any

    def row(self, peer: Any, images: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        """Both over the same rotating inputs, in turn; `peer_over_ours` is the median of the rounds' ratios."""
        expected = np.concatenate([self.expected[row] for row in rows])
        error = float(np.linalg.norm(peer.answers() - expected) / np.linalg.norm(expected))
        try:
            bound = self.ours and self.ours.bind([np.ascontiguousarray(images[row]) for row in rows])
        except Unavailable:
            bound = None
        try:
            theirs, ours = self._rounds(peer, bound)
        finally:
            if bound is not None:
                bound.close()
        return {
            "status": "measured",
            "device_ms": float(np.median(theirs)),
            "ours_fp16_ms": None if bound is None else float(np.median(ours)),
            "peer_over_ours": None if bound is None else float(np.median(theirs / ours)),
            "relative_error": error,
            "compile_s": peer.compile_s,
        }

    def _rounds(self, peer: Any, bound: Any) -> tuple[np.ndarray, np.ndarray]:
        warm_up(lambda: peer.each_ms(20))
        runs = runs_of(self.options, float(np.median(peer.each_ms(20))))
        modes = [peer.each_ms] if bound is None else [peer.each_ms, bound.device_only]
        if bound is not None:
            warm_up(lambda: bound.device_only(20))
        found = np.empty((self.options.rounds, 2))
        for turn in range(self.options.rounds):
            for mode in range(len(modes))[:: -1 if turn % 2 else 1]:
                found[turn, mode] = np.median(modes[mode](runs))
        return found[:, 0], found[:, 1]


def warm_up(run: Callable[[], object]) -> None:
    """At least 200 ms of it."""
    end = time.perf_counter() + WARM_S
    while time.perf_counter() < end:
        run()


def runs_of(options: argparse.Namespace, each_ms: float) -> int:
    """Runs of one mode in a round."""
    return int(np.clip(options.round_ms / each_ms, 8, 256))


def percentiles(mode: str, samples_ms: np.ndarray) -> dict[str, float | None]:
    """p50 to p99 in milliseconds; null where there are too few samples for one."""
    wanted = {name: share for name, share in PERCENTILES.items() if share <= 0.99}
    return {
        f"{mode}_{name}_ms": float(np.quantile(samples_ms, share)) if supported(share, len(samples_ms)) else None
        for name, share in wanted.items()
    }
