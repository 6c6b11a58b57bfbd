"""A Triton model repository of one cell: config.pbtxt, and where Triton looks for the engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from roundoff.errors import RoundoffError
from roundoff.model.base import INPUT_NAME, OUTPUT_NAME
from roundoff.shipping.project import Chosen

VERSION = "1"
ONNX, ENGINE = "model.onnx", "model.plan"
TENSORRT = "roundoff.backend.trt.backend.Tensorrt"
ONNXRUNTIME = "roundoff.backend.onnxrt.backend.OnnxRuntime"
ONNXRUNTIME_CUDA = "roundoff.backend.onnxrt_cuda.backend.OnnxRuntimeCuda"
WHY_NOT = {
    "tensorrt_rtx": "TensorRT-RTX's engines do not load in Triton, whose backend tensorrt is TensorRT's own",
    "litert": "Triton has no backend for LiteRT's .tflite files",
    "torch": "what torch.compile makes lives in its process; Triton's PyTorch backend takes TorchScript",
}


@dataclass(frozen=True)
class Repository:
    """A model of the repository: its folder, the engine's path in the repository, and the text of its config.pbtxt."""

    name: str
    engine: str
    config: str


def repository(cell: Chosen) -> Repository:
    """The repository of a cell; RoundoffError, which says why, for an engine that Triton cannot load."""
    backend, file, kind = _served_by(cell)
    name = cell.name.replace("/", "_")
    height, width, channels = cell.manifest.shape
    batches = _batching(_profiles(cell))
    config = [
        f"name: {_quoted(name)}",
        f"backend: {_quoted(backend)}",
        f"default_model_filename: {_quoted(file)}",
        f"max_batch_size: {batches.largest}",
        _tensor("input", INPUT_NAME, "TYPE_UINT8", [*batches.dimension, height, width, channels]),
        _tensor("output", OUTPUT_NAME, "TYPE_FP32", [*batches.dimension, len(cell.manifest.names)], "labels.txt"),
        f"instance_group [\n  {{ count: 1 kind: {kind}{batches.profiles if backend == 'tensorrt' else ''} }}\n]",
        *batches.dynamic,
        *_threads(cell, kind),
    ]
    return Repository(name, f"{name}/{VERSION}/{file}", "\n".join(config) + "\n")


def _served_by(cell: Chosen) -> tuple[str, str, str]:
    """Triton's backend, its file's name, and where instances run."""
    backend = cell.sidecar.backend
    module = str(backend.config.get("module", ""))
    if backend.type == TENSORRT and module == "tensorrt":
        return "tensorrt", ENGINE, "KIND_GPU"
    if backend.type in (ONNXRUNTIME, ONNXRUNTIME_CUDA):
        return "onnxruntime", ONNX, "KIND_GPU" if backend.type == ONNXRUNTIME_CUDA else "KIND_CPU"
    raise RoundoffError(
        f"{cell.name} cannot be served by Triton",
        received=WHY_NOT.get(module or backend.name, f"a backend that Triton does not have: {backend.type}"),
        expected="a cell of onnxruntime, onnxruntime_cuda or tensorrt",
        fix="choose one that the run has: --cell PRECISION/onnxruntime; or leave --layout out",
    )


@dataclass(frozen=True)
class _Batching:
    """Triton's `max_batch_size`, the batch dimension where it is one of the tensor's own, and further lines."""

    largest: int
    dimension: Sequence[int]
    dynamic: Sequence[str]
    profiles: str = ""


def _profiles(cell: Chosen) -> list[list[int]]:
    """Batch sizes [min, opt, max] of an engine's profiles; of one for any size, those that were measured."""
    info = cell.sidecar.build_info
    told = info.profiles if info else None
    measured = sorted(cell.metrics.timed_batches) or [1]
    return told or [[1, measured[-1], measured[-1]]]


def _batching(profiles: list[list[int]]) -> _Batching:
    """Batches are put together by Triton where one profile takes all sizes from 1 up.

    Profiles of one size each take those sizes alone: a request then has to have one of them, as its first dimension.
    """
    numbers = ", ".join(_quoted(str(number)) for number in range(len(profiles)))
    chosen = f" profile: [ {numbers} ]"
    from_one = [profile for profile in profiles if profile[0] == 1]
    largest = max((profile[2] for profile in from_one), default=0)
    covered = largest >= max(profile[2] for profile in profiles)
    if not covered or largest == 0:
        sizes = sorted({profile[1] for profile in profiles})
        return _Batching(0, [-1], [f"# batch sizes that a request may have: {', '.join(map(str, sizes))}"], chosen)
    preferred = sorted({profile[1] for profile in from_one} - {1})
    dynamic = f"dynamic_batching {{ preferred_batch_size: [ {', '.join(map(str, preferred))} ] }}"
    return _Batching(largest, [], [dynamic] if preferred else [], chosen)


def _tensor(kind: str, name: str, dtype: str, dims: Sequence[int], labels: str | None = None) -> str:
    named = f" label_filename: {_quoted(labels)}" if labels else ""
    sizes = ", ".join(map(str, dims))
    return f"{kind} [\n  {{ name: {_quoted(name)} data_type: {dtype} dims: [ {sizes} ]{named} }}\n]"


def _threads(cell: Chosen, kind: str) -> list[str]:
    """The threads that were measured, where the backend was told how many."""
    threads: Any = cell.sidecar.backend.config.get("threads")
    if kind != "KIND_CPU" or threads is None:
        return []
    value = f"{{ string_value: {_quoted(str(threads))} }}"
    return [f'parameters {{ key: "intra_op_thread_count" value: {value} }}']


def _quoted(text: str) -> str:
    return json.dumps(text)
