"""A TensorRT engine on a GPU of host memory, as far as the runner calls it.

tests/backend/trt/test_fakes.py holds the names and parameters against the real libraries.
"""

# ruff: noqa: N802 - the names are TensorRT's

from __future__ import annotations

import ctypes
import json
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.support.fake_cuda import FakeCuda

IMAGE_SHAPE = (4, 4, 3)


_RANDOM = np.random.default_rng(0)


CLASSES = 5


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


def logits_of(images: np.ndarray) -> np.ndarray:
    """What the fake network computes: per image, its mean plus the class number."""
    answers = images.mean((1, 2, 3)).reshape(-1, 1) + np.arange(CLASSES)
    return np.asarray(answers, np.float32)


class FakeTensorrt:
    """The module: `TensorIOMode`, `Runtime`, …; `profiles` belong to every engine it deserializes."""

    __name__ = "tensorrt_rtx"
    __version__ = "0.0.1"

    class ILogger:
        Severity = Severity

    class Logger(ILogger):
        def __init__(self, min_severity=Severity.WARNING): ...

    class IProfiler:
        def report_layer_time(self, layer_name, ms):
            raise NotImplementedError

    class IBuilderConfig:
        def set_compute_capability(self, capability, index): ...

    class TensorIOMode(IntEnum):
        INPUT = 1
        OUTPUT = 2

    class LayerInformationFormat(IntEnum):
        JSON = 1

    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="user", ON_PROFILE_CHANGE="profile")
    DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="eager")
    CudaGraphStrategy = SimpleNamespace(DISABLED="disabled")

    class EngineValidity(IntEnum):
        VALID = 0
        INVALID = 2

    class EngineInvalidityDiagnostics(IntEnum):
        VERSION_MISMATCH = 1
        UNSUPPORTED_CC = 2
        MALFORMED_ENGINE = 32

    def __init__(self, cuda: FakeCuda, profiles=((1, 4, 8),), layers=(), scratch_per_image: int = 1000) -> None:
        self.cuda, self.profiles, self.layers, self.scratch_per_image = cuda, profiles, layers, scratch_per_image
        self.validity = (self.EngineValidity.VALID, 0)
        self.compiled = 0
        self.kernels = b"kernels"
        self.layers_without_context = layers
        self.room_for = 10**9  # the largest batch that TensorRT itself finds memory for
        self.engine_bytes = 0  # device memory of each engine

    def Runtime(self, logger):
        return Runtime(self, logger)


class Runtime:
    def __init__(self, trt: FakeTensorrt, logger) -> None:
        self.trt, self.logger = trt, logger

    def get_engine_validity(self, buffer):
        return self.trt.validity

    def deserialize_cuda_engine(self, serialized_engine):
        if serialized_engine == b"broken":
            self.logger.log(Severity.ERROR, "the plan is broken")
            return None
        if self.trt.cuda.used + self.trt.engine_bytes > self.trt.cuda.capacity:
            self.logger.log(Severity.ERROR, "Requested amount of GPU memory could not be allocated.")
            return None
        return ICudaEngine(self.trt, self.logger)


class ICudaEngine:
    num_io_tensors = 2

    def __init__(self, trt: FakeTensorrt, logger) -> None:
        self.trt, self.logger = trt, logger
        self.num_optimization_profiles = len(trt.profiles)
        self.memory = trt.cuda.cudaMalloc(trt.engine_bytes)[1] if trt.engine_bytes else None

    def __del__(self):
        if self.memory is not None:
            self.trt.cuda.cudaFree(self.memory)

    def get_tensor_name(self, index):
        return ("image", "logits")[index]

    def get_tensor_mode(self, name):
        return self.trt.TensorIOMode.INPUT if name == "image" else self.trt.TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return (-1, *IMAGE_SHAPE) if name == "image" else (-1, CLASSES)

    def get_tensor_profile_shape(self, name, profile_index):
        return [(size, *IMAGE_SHAPE) for size in self.trt.profiles[profile_index]]

    def get_device_memory_size_for_profile_v2(self, profile_index):
        return self.trt.profiles[profile_index][2] * self.trt.scratch_per_image

    def create_runtime_config(self):
        return IRuntimeConfig(self.trt, self.logger)

    def create_execution_context(self, runtime_config):
        assert runtime_config.strategy in ("user", "profile")
        assert runtime_config.dynamic_shapes_kernel_specialization_strategy == "eager"
        return IExecutionContext(self.trt, self.logger, needs_scratch=runtime_config.strategy == "user")

    def create_engine_inspector(self):
        return EngineInspector(self.trt)


class EngineInspector:
    def __init__(self, trt: FakeTensorrt) -> None:
        self.trt = trt
        self.execution_context = None

    def get_engine_information(self, format):
        layers = self.trt.layers if self.execution_context is not None else self.trt.layers_without_context
        return json.dumps({"Layers": list(layers)})


class IRuntimeCache:
    def __init__(self, trt: FakeTensorrt, logger) -> None:
        self.trt, self.logger = trt, logger

    def deserialize(self, blob):
        if blob != self.trt.kernels:
            self.logger.log(Severity.WARNING, "[Runtime Cache]: Fingerprint check failed; rejecting cache.")
        return blob == self.trt.kernels

    def serialize(self):
        if not self.trt.kernels:
            self.logger.log(Severity.INFO, "[RUNTIME CACHE]: Error serializing graph")
        return self.trt.kernels


class IRuntimeConfig:
    def __init__(self, trt: FakeTensorrt, logger) -> None:
        self.trt, self.logger, self.strategy = trt, logger, None
        self.dynamic_shapes_kernel_specialization_strategy = None
        self.cuda_graph_strategy = None

    def set_execution_context_allocation_strategy(self, strategy):
        self.strategy = strategy

    def create_runtime_cache(self):
        return IRuntimeCache(self.trt, self.logger)

    def set_runtime_cache(self, cache):
        return True


class IExecutionContext:
    def __init__(self, trt: FakeTensorrt, logger, needs_scratch: bool) -> None:
        self.logger = logger
        self.trt, self.scratch, self.profile = trt, 0, 0
        self.shape: Any = None
        self.needs_scratch = needs_scratch
        self.profiler: Any = None
        self.enqueue_emits_profile = True
        self.executed = 0
        self.addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, profile_index, stream_handle):
        self.profile = profile_index
        return True

    def set_input_shape(self, name, shape):
        low, _, high = self.trt.profiles[self.profile]
        self.shape = shape
        return low <= shape[0] <= high

    def set_device_memory(self, memory, size):
        assert size >= self.trt.profiles[self.profile][2] * self.trt.scratch_per_image
        assert self.trt.cuda.live[memory][0] == "device"
        self.scratch = memory

    def set_tensor_address(self, name, memory):
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        images, logits, shape = self.addresses["image"], self.addresses["logits"], self.shape
        if shape[0] > self.trt.room_for:
            self.logger.log(Severity.ERROR, "Requested amount of GPU memory (9 bytes) could not be allocated.")
            self.logger.log(Severity.ERROR, "IExecutionContext::enqueueV3: Error Code 2: OutOfMemory (Requested 9)")
            return False
        assert not self.needs_scratch or self.scratch in self.trt.cuda.live

        def work() -> None:
            source = np.ctypeslib.as_array((ctypes.c_uint8 * int(np.prod(shape))).from_address(images)).reshape(shape)
            target = (ctypes.c_float * (shape[0] * CLASSES)).from_address(logits)
            np.ctypeslib.as_array(target).reshape(shape[0], CLASSES)[...] = logits_of(source)

        self.trt.cuda.do(stream_handle, work)
        self.executed += 1
        return True

    def report_to_profiler(self):
        if self.profiler is None or self.enqueue_emits_profile:
            return False
        for place, layer in enumerate(self.trt.layers):
            self.profiler.report_layer_time(layer["Name"], (place + 1) * self.executed)
        return True


def images(count: int) -> np.ndarray:
    """Random images uint8 [count, *IMAGE_SHAPE]."""
    return _RANDOM.integers(0, 256, (count, *IMAGE_SHAPE), dtype=np.uint8)
