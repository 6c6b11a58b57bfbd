"""A backend whose engines break where they are told to."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from roundoff.backend.base import Backend, Runner
from roundoff.backend.cpu import HostBinding
from roundoff.results.build import BuildInfo
from roundoff.results.cell import BindingInfo
from tests.support.cells import gpu_of_process

FAULTS = {
    "load": "loading the engine failed",
    "infer": "running the test set failed",
    "layer_types": "running the test set failed",
    "few_rows": "it does not answer with one row of logits for every image",
    "nan": "200 of 200 answers to the test set are not finite numbers",
    "another_network": "fp32/broken is neither FP32 nor TF32",
    "classes": "it answers for another number of classes than FP32",
    "bind": "laying out its inputs failed",
    "no_binding": "checking its outputs failed",
    "speechless": "laying out its inputs failed",
    "late_load": "loading the engine failed",
    "late_bind": "laying out its inputs failed",
    "first_run": "a timed run failed",
    "late_run": "a timed run failed",
    "backwards": "a timed run failed",
    "few_times": "a timed run failed",
    "facts": "looking at how it runs failed",
    "poison": "the device-only timed mode does not compute what the accuracy run computed",
    "not_finite": "the end-to-end timed mode does not compute what the accuracy run computed",
    "shape": "the end-to-end timed mode gives outputs of another shape than the accuracy run",
    "modes": "the device-only timed mode does not compute what the accuracy run computed",
    "unsteady": "10 runs of one input differ",
    "close": "freeing the engine failed",
}
# found before anything is timed
WHOLE = ("load", "infer", "layer_types", "few_rows", "nan", "another_network", "classes")


class KernelError(RuntimeError):
    """What a runtime raises that roundoff knows nothing of."""


class SpeechlessError(RuntimeError):
    """What cannot even be printed."""

    def __str__(self):
        raise ValueError("no words")


def broken(what: str) -> KernelError:
    return KernelError(f"{what}: launch failed (code 719) \udcff")


@dataclass
class Counts:
    """How often things happened to one backend's engines."""

    loads: int = 0
    binds: int = 0
    runs: int = 0
    open: int = 0


@dataclass(frozen=True)
class Broken(Backend):
    """Answers as `answers` does, but for its `fault`, which shows at the batch sizes of `at` alone (none: at all)."""

    artifact: ClassVar[str] = "model.bin"

    answers: Any = None  # logits from images
    fault: str = ""
    at: tuple[int, ...] = ()
    late: int = 3  # loads or bindings that work before a late fault
    counts: Counts = field(default_factory=Counts)

    def refusal(self, precision):
        return None

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(b"engine")
        return BuildInfo()

    def load(self, directory):
        self.counts.loads += 1
        if self.fault == "load" or (self.fault == "late_load" and self.counts.loads > self.late):
            raise broken("load")
        self.counts.open += 1
        return BrokenRunner(self)


class BrokenRunner(Runner):
    def __init__(self, backend: Broken) -> None:
        self.backend, self.closed, self.device = backend, False, gpu_of_process()

    def infer(self, images):
        answers = self.backend.answers(images)
        match self.backend.fault:
            case "infer":
                raise broken("infer")
            case "few_rows":
                return answers[1:]
            case "classes":
                return answers[:, :1]
            case "nan":
                return answers * np.float32("nan")
            case "another_network":
                return answers + np.float32(1)
        return answers

    def layer_types(self):
        return {"float32": 3} if self.backend.fault == "layer_types" else None

    def bind(self, batches):
        if self.backend.fault == "dies" and len(batches[0]) in self.backend.at and multiprocessing.parent_process():
            os._exit(1)  # as a segmentation fault would
        self.backend.counts.binds += 1
        bound = BrokenBinding(self.backend, batches)
        if bound.breaks("no_binding"):
            return None
        if bound.breaks("speechless"):
            raise SpeechlessError
        if bound.breaks("bind") or (bound.breaks("late_bind") and self.backend.counts.binds > 2 * self.backend.late):
            raise broken("bind")
        return bound

    def close(self):
        self.backend.counts.open -= not self.closed
        self.closed = True


class BrokenBinding(HostBinding):
    def __init__(self, backend: Broken, batches) -> None:
        super().__init__(batches)
        self.backend, self.timed = backend, False
        self.logits: Any = None

    def breaks(self, fault: str) -> bool:
        return self.backend.fault == fault and (not self.backend.at or self.batch_size in self.backend.at)

    def device_only(self, runs):
        self.backend.counts.runs += 1
        if self.breaks("first_run") or (self.breaks("late_run") and self.backend.counts.runs > 20):
            raise broken("run")
        times = super().device_only(runs)
        return -times if self.breaks("backwards") else times[1:] if self.breaks("few_times") else times

    def lay_in(self, index):
        pass

    def compute(self, index):
        if not self.breaks("poison"):
            self.logits = self.backend.answers(self.batches[index])

    def answer(self, index):
        factor = 1.1 if self.breaks("modes") else 1.0
        return self.logits * np.float32(factor)

    def round_trip(self, index):
        answers = self.backend.answers(self.batches[index])
        if self.breaks("unsteady"):
            self.backend.counts.runs += 1
            answers = answers * np.float32(1 + 1e-3 * (self.backend.counts.runs % 7 == 0))
        if self.breaks("not_finite"):
            answers = answers + np.float32("inf")
        return answers[:-1] if self.breaks("shape") else answers

    def poison(self):
        self.logits = np.full_like(self.backend.answers(self.batches[0]), np.nan)

    def info(self):
        if self.breaks("facts"):
            raise broken("facts")
        return BindingInfo()

    def close(self):
        if self.breaks("close"):
            raise broken("close")
