"""One engine at one batch size, timed in turn with the bare replay loop; and the peer, in turn with our FP16 engine.

Both are bound anew several times, behind device memory of random size: two loads of one engine differ in speed by
where their memory lies, so that a single pair of them says little about who times better.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bare import BareReplay

from roundoff.backend.cuda import CudaError, DeviceMemory, Owner
from roundoff.backend.trt_library import OUT_OF_MEMORY, import_tensorrt, make_log
from roundoff.errors import GateError, Unavailable
from roundoff.measurement.energy import energy_per_image, meter_for, no_energy
from roundoff.measurement.latency import PERCENTILES, supported
from roundoff.measurement.speed import check_outputs, tolerance

ENERGY_S = 2.0
WARM_S = 0.2
BLOCKS = 8
SMALLEST, LARGEST = 2**9, 2**24  # bytes of a block of device memory


@dataclass(frozen=True)
class Load:
    """What one pair of bindings gave: milliseconds by round, ours of each run [rounds, runs]; seconds streamed."""

    ours: np.ndarray
    theirs: np.ndarray
    tight: np.ndarray
    whole: np.ndarray
    seconds: np.ndarray
    copies: tuple[float, float]

    @property
    def medians(self) -> np.ndarray:
        """Our device-only time in each round."""
        return np.asarray(np.median(self.ours, axis=1))


@dataclass
class Batch:
    """What one loaded engine is timed with; `logits` float32 [N, classes] are those of its accuracy run."""

    options: argparse.Namespace
    name: str
    runner: Any
    engine: Path
    logits: np.ndarray
    accuracy: dict[str, Any]
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def row(self, images: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        """Bind `images[rows]`, check and time; what does not fit, or computes something else, is the row."""
        inputs = [np.ascontiguousarray(images[row]) for row in rows]
        try:
            loads: list[Load] = []
            for left in reversed(range(self.options.loads)):
                with scattered(self.random), self.runner.bind(inputs) as bound:
                    self._check(bound, rows)
                    loads.append(self._timed(bound, inputs))
                    self._check(bound, rows)
                    about = {} if left else {"facts": bound.facts(), "energy": self._energy(bound)}
            return figures(bound.batch_size, loads) | about
        except Unavailable as reason:
            return {"status": "unavailable", "reason": str(reason)}
        except GateError as error:
            return {"status": "failed", "reason": str(error)}

    def _check(self, bound: Any, rows: np.ndarray) -> None:
        expected = np.concatenate([self.logits[row] for row in rows])
        check_outputs(self.name, bound, expected, tolerance(self.accuracy["relative_error"]))

    def _timed(self, bound: Any, inputs: list[np.ndarray]) -> Load:
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


@contextmanager
def scattered(random: np.random.Generator) -> Iterator[None]:
    """Blocks of device memory, the logarithm of their size uniform, held while something else finds its places."""
    with Owner() as owner:
        with suppress(CudaError):  # what follows says it better if there is no room
            for size in np.exp(random.uniform(np.log(SMALLEST), np.log(LARGEST), BLOCKS)).astype(int):
                owner.own(DeviceMemory(int(size)))
        yield


def compare(options: argparse.Namespace, bound: Any, bare: Any) -> Load:
    """The binding and the bare loop in turn, for this load's share of the rounds."""
    warm_up(lambda: bound.device_only(20)), bound.stream(20), warm_up(lambda: bare.each_ms(20))
    runs = runs_of(options, float(np.median(bare.each_ms(20))))
    rounds = [_round(bound, bare, runs, turn) for turn in range(-(-options.rounds // options.loads))]
    ours, theirs, tight, whole, seconds = (np.array(column) for column in zip(*rounds, strict=True))
    return Load(ours, theirs, tight, whole, seconds, bare.copy_ms(max(5, min(runs, 50))))


def figures(size: int, loads: Sequence[Load]) -> dict[str, Any]:
    """Medians over all rounds, but of ratios: these over the rounds of each load, and then over loads."""
    ours, whole = (np.concatenate([getattr(load, name).ravel() for load in loads]) for name in ("ours", "whole"))
    tight = over_rounds(loads, lambda load: load.tight)
    over_bare = [float(np.median(load.medians / load.theirs)) for load in loads]
    copy_in, copy_out = (float(np.median([load.copies[way] for load in loads])) for way in (0, 1))
    limiting = max(copy_in, copy_out, tight)
    throughput = size * len(ours) / float(sum(load.seconds.sum() for load in loads))
    return {
        "status": "measured",
        "runs": len(ours),
        "loads": len(loads),
        "device_ms": over_rounds(loads, lambda load: load.medians),
        "bare_ms": over_rounds(loads, lambda load: load.theirs),
        "bare_back_to_back_ms": tight,
        "device_over_bare": float(np.median(over_bare)),
        "device_over_bare_by_load": over_bare,
        "device_over_back_to_back": float(np.median([np.median(load.medians / load.tight) for load in loads])),
        "end_to_end_ms": float(np.median(whole)),
        **percentiles("device", ours),
        **percentiles("end_to_end", whole),
        "copy_in_ms": copy_in,
        "copy_out_ms": copy_out,
        "throughput_per_s": throughput,
        "limit_per_s": 1e3 * size / limiting,
        "throughput_over_limit": throughput * limiting / 1e3 / size,
    }


def over_rounds(loads: Sequence[Load], figure: Callable[[Load], np.ndarray]) -> float:
    """The median of a figure over the rounds of all loads."""
    return float(np.median(np.concatenate([figure(load) for load in loads])))


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
