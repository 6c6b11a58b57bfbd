"""Backends that build nothing, or whose library ends the whole process."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from roundoff.backend.base import Backend
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.results.build import BuildInfo

CRASHING_BATCH = 8


@dataclass(frozen=True)
class Failing(Backend):
    artifact: ClassVar[str] = "model.bin"

    def refusal(self, precision):
        return None

    def build(self, source, directory):
        raise RuntimeError("no kernel for node 7")

    def load(self, directory):
        raise AssertionError("it was never built")


@dataclass(frozen=True)
class CrashesBuilding(Failing):
    """As a compiler does that has no case for a layer."""

    def build(self, source, directory):
        os.kill(os.getpid(), signal.SIGABRT)


@dataclass(frozen=True)
class CrashesLoading(CrashesBuilding):
    """As TensorRT-RTX 1.6.1 does with an EfficientNet in FP8."""

    def build(self, source, directory):
        Path(directory, self.artifact).write_bytes(b"machine code")
        return BuildInfo(layer_types={"float32": 3}, weights="float32", activations="float32")

    def load(self, directory):
        os.kill(os.getpid(), signal.SIGSEGV)


@dataclass(frozen=True)
class CrashesTimed(OnnxRuntime):
    """Does all that it should, but for one thing at the batch size of 8: `where`."""

    where: str = "device_only"

    def load(self, directory):
        runner: Any = super().load(directory)
        bind = runner.bind

        def bound(batches):
            made = bind(batches)
            if len(batches[0]) == CRASHING_BATCH:
                setattr(made, self.where, lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
            return made

        runner.bind = bound
        return runner
