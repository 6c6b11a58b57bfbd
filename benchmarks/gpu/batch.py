"""One engine at each batch size, timed in turn with the bare replay loop; and the peer, in turn with our FP16 engine.

Ours and the bare loop are loaded anew several times, behind device memory of random size: two loads of one engine
differ in speed by where their memory lies, so that a single pair of them says little about who times better.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.bare import BareReplay
from benchmarks.gpu.figures import Load, figures
from roundoff.backend.cuda import CudaError, DeviceMemory, Owner
from roundoff.backend.trt.library import OUT_OF_MEMORY, import_tensorrt, make_log
from roundoff.errors import GateError, Unavailable
from roundoff.measurement.energy import energy_per_image, meter_for
from roundoff.measurement.heap_layout import block_sizes
from roundoff.measurement.output_check import check_outputs
from roundoff.results.cell import Energy
from roundoff.results.checked import as_json
from roundoff.results.message import as_message, verbatim

ENERGY_S = 2.0
WARM_S = 0.2
LARGEST_ONLY = verbatim("measured at the largest batch size only")
BLOCKS = 8
SMALLEST, LARGEST = 2**9, 2**24  # bytes of a block of device memory
Row = dict[str, Any]


@dataclass
class Batches:
    """What an engine is timed with; `load` loads it, `logits` float32 [N, classes] are those of its accuracy run."""

    options: argparse.Namespace
    name: str
    load: Callable[[], Any]
    engine: Path
    logits: np.ndarray
    accuracy: Row
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    loads: dict[int, list[Load]] = field(default_factory=dict)
    about: dict[int, Row] = field(default_factory=dict)
    memory_mb: float | None = None

    def rows(self, images: np.ndarray, inputs: Mapping[int, np.ndarray]) -> dict[str, Row]:
        """A row for each batch size of `inputs`, indices of `images` [input_buffers, batch], by the batch size as text.

        What does not fit, or computes something else than the accuracy run did, is its batch's row.
        """
        gone: dict[int, Row] = {}
        for load in range(self.options.loads):
            if len(gone) == len(inputs):
                break
            with scattered(self.random), self.load() as runner:
                for size in [size for size in inputs if size not in gone]:
                    if problem := self._tried(runner, images, inputs[size], load):
                        gone[size] = problem
                self.memory_mb = runner.memory_mb()
        return {str(size): gone.get(size) or figures(size, self.loads[size]) | self.about[size] for size in inputs}

    def _tried(self, runner: Any, images: np.ndarray, rows: np.ndarray, load: int) -> Row | None:
        try:
            self._measured(runner, [np.ascontiguousarray(images[row]) for row in rows], rows, load)
        except Unavailable as reason:
            return {"status": "unavailable", "reason": str(reason)}
        except GateError as error:
            return {"status": "failed", "reason": str(error)}
        return None

    def _measured(self, runner: Any, inputs: list[np.ndarray], rows: np.ndarray, load: int) -> None:
        size = len(inputs[0])
        with runner.bind(inputs) as bound:
            self._check(bound, rows)
            self.loads.setdefault(size, []).append(self._timed(runner, bound, inputs, load))
            self._check(bound, rows)
            if load == self.options.loads - 1:
                self.about[size] = {
                    "binding_info": as_json(bound.info()),
                    "energy": as_json(self._energy(runner, bound)),
                }

    def _check(self, bound: Any, rows: np.ndarray) -> None:
        expected = np.concatenate([self.logits[row] for row in rows])
        check_outputs(self.name, bound, expected, self.accuracy["relative_error"])

    def _timed(self, runner: Any, bound: Any, inputs: list[np.ndarray], load: int) -> Load:
        trt = import_tensorrt(self.options.module)
        kernels = runner.cache_file.read_bytes() if runner.cache_file.exists() else b""
        log = make_log(trt)
        try:
            bare = BareReplay(trt, self.engine, inputs, log, kernels)
        except RuntimeError as error:
            words = log.reason()
            if OUT_OF_MEMORY.search(f"{error} {words}"):
                raise Unavailable(f"no memory left for the bare loop: {error}; {words}") from None
            raise
        try:
            return compare(self.options, bound, bare, load)
        finally:
            bare.close()

    def _energy(self, runner: Any, bound: Any) -> Energy:
        if bound.batch_size != max(self.options.batches):
            return Energy(reason=LARGEST_ONLY)
        try:
            return energy_per_image(bound, meter_for(runner.device), ENERGY_S)
        except Unavailable as missing:
            return Energy(reason=as_message(missing.args[0]))


@contextmanager
def scattered(random: np.random.Generator) -> Iterator[None]:
    """Blocks of device memory, the logarithm of their size uniform, held while something else finds its places."""
    with Owner() as owner:
        try:
            for size in block_sizes(random, BLOCKS, SMALLEST, LARGEST):
                owner.own(DeviceMemory(int(size)))
        except CudaError as error:
            owner.close()  # what follows needs the room more
            if not error.is_out_of_memory:
                raise
        yield


def compare(options: argparse.Namespace, bound: Any, bare: Any, load: int) -> Load:
    """The binding and the bare loop in turn, for a load's share of the rounds."""
    warm_up(lambda: bound.device_only(20))
    bound.stream(20)
    warm_up(lambda: bare.each_ms(20))
    runs = runs_of(options, float(np.median(bare.each_ms(20))))
    share = -(-options.rounds // options.loads)
    rounds = [_round(bound, bare, runs, load * share + turn) for turn in range(share)]
    ours, theirs, tight, whole, seconds = (np.array(column) for column in zip(*rounds, strict=True))
    return Load(ours, theirs, tight, whole, seconds, bare.copy_ms(max(5, min(runs, 50))))


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
        """Both bindings over the same rotating inputs, in turn; `peer_over_ours` is the median of rounds' ratios."""
        expected = np.concatenate([self.expected[row] for row in rows])
        answers = np.concatenate(peer.outputs(transfers=False))
        error = float(np.linalg.norm(answers - expected) / np.linalg.norm(expected))
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
            "binding_info": as_json(peer.info()),
        }

    def _rounds(self, peer: Any, bound: Any) -> tuple[np.ndarray, np.ndarray]:
        modes = [each.device_only for each in (peer, bound) if each is not None]
        for mode in modes:
            warm_up(partial(mode, 20))
        runs = runs_of(self.options, float(np.median(peer.device_only(20))))
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
