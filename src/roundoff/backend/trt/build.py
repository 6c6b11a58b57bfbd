"""Building a TensorRT engine from a strongly typed ONNX graph: one path for TensorRT 10, 11 and TensorRT-RTX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roundoff.backend import cuda
from roundoff.backend.trt.inspect import Layer, layers_from_inspector, layers_from_log
from roundoff.backend.trt.library import OUT_OF_MEMORY, make_build_log
from roundoff.backend.trt.progress import make_monitor
from roundoff.errors import BuildError, Unavailable
from roundoff.results.message import message
from roundoff.system.progress import progress_bar

UNSUPPORTED = re.compile(r"not support|unsupported|not available|plugin not found|must have type", re.IGNORECASE)
# The last: what TensorRT-RTX before 1.7 says of INT8 convolutions.
NO_KERNEL = re.compile(r"no implementation|any implementation|CHECK\(dtype", re.IGNORECASE)
TOO_SMALL = re.compile(r"workspace|insufficient memory", re.IGNORECASE)
PARSE_FIX = (
    "replace the node in the model, keep it in float32 (`keep_float32` or `exclude_nodes` of the precision), "
    "quantize otherwise what is given (docs/models.md), or leave this backend or precision out"
)


@dataclass(frozen=True)
class Settings:
    """What a build may vary; sizes in MB (10^6 bytes), batch sizes as (min, opt, max).

    `may_lack_kernels`: the graph computes in a type that this library or GPU may have no kernels for.
    """

    profiles: Sequence[Sequence[int]]
    allow_tf32: bool
    workspace_mb: int | None
    optimization_level: int
    compute_capabilities: Sequence[str]
    hardware_compatibility: str
    version_compatible: bool
    may_lack_kernels: bool


@dataclass(frozen=True)
class Built:
    """A serialized engine, the timing cache that the build leaves (empty if none), TensorRT's warnings, the layers."""

    engine: bytes
    timing_cache: bytes
    warnings: tuple[str, ...]
    layers: list[Layer]


def build_engine(
    trt: Any, name: str, graph: Path, settings: Settings, log_file: Path, timing_cache: bytes = b""
) -> Built:
    """Parse `graph` and build it, shown as `name`; raises Unavailable in TensorRT's own words, or BuildError."""
    log = make_build_log(trt, log_file)
    builder = _builder(trt, log)
    network = builder.create_network(_strongly_typed(trt))
    _parse(trt, network, graph, log)
    config = _config(trt, builder, network, settings, log)
    cache = _attach_timing_cache(config, timing_cache, log)
    with progress_bar(f"building {name} with {trt.__name__}", 100) as bar:
        monitor = make_monitor(trt, bar, log)
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
    if monitor.raised is not None:
        raise monitor.raised
    log.raise_again()
    if plan is None:
        raise _build_failure(trt, log, settings.may_lack_kernels)
    layers = _layers(trt, plan, log, settings.version_compatible)
    log.raise_again()
    return Built(bytes(plan), bytes(cache.serialize()) if cache else b"", tuple(log.warnings), layers)


def _layers(trt: Any, plan: Any, log: Any, host_code: bool) -> list[Layer]:
    """As the log lists them, or as the inspector tells where the build is on the engine's own GPU.

    None where neither does: loading looks again. `host_code`: a version-compatible plan brings its own runtime.
    """
    if log.layers or builds_ahead_of_time(trt):
        return layers_from_log(log.layers)
    runtime = trt.Runtime(log)
    runtime.engine_host_code_allowed = host_code
    engine = runtime.deserialize_cuda_engine(plan)
    inspector = engine and engine.create_engine_inspector()
    if not inspector:
        return []
    return layers_from_inspector(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def builds_ahead_of_time(trt: Any) -> bool:
    """Whether this library builds engines on a machine without a GPU (TensorRT-RTX does)."""
    return hasattr(trt.IBuilderConfig, "set_compute_capability")


def _version(trt: Any) -> str:
    return f"{trt.__name__} {trt.__version__}"


def _builder(trt: Any, log: Any) -> Any:
    try:
        return trt.Builder(log)
    except TypeError as error:  # pybind11's words for a null pointer: TensorRT found no usable CUDA driver
        words = str(log.errors[:1] or error)
        raise Unavailable(message("cannot_build_here", library=trt.__name__, words=words)) from None


def _strongly_typed(trt: Any) -> int:
    # TensorRT 11 always types strongly and may drop the flag; TensorRT 10 needs it
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: Any, network: Any, graph: Path, log: Any) -> None:
    parser = trt.OnnxParser(network, log)
    parsed = parser.parse_from_file(str(graph))
    log.raise_again()
    if parsed:
        return
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    if not errors:
        raise _parse_failure(graph, "the file as a whole", log.reason())
    node, operator = errors[0].node_name(), errors[0].node_operator()
    where = f"node {node!r} ({operator})" if operator else "the file as a whole"
    words = f"{errors[0].code()} {errors[0].desc()}"
    if UNSUPPORTED.search(words):
        raise Unavailable(
            message("unsupported_node", library=_version(trt), where=where, words=words, remedy=PARSE_FIX)
        )
    raise _parse_failure(graph, where, words)


def _parse_failure(graph: Path, where: str, words: str) -> BuildError:
    return BuildError(
        f"TensorRT cannot parse {graph.name}: {where}",
        received=words,
        expected="an ONNX graph of operators and types that TensorRT supports",
        fix=PARSE_FIX,
    )


def _config(trt: Any, builder: Any, network: Any, settings: Settings, log: Any) -> Any:
    config = builder.create_builder_config()
    config.builder_optimization_level = settings.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if settings.workspace_mb is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mb * 10**6)
    _set_flag(config, trt.BuilderFlag.TF32, settings.allow_tf32)
    _set_flag(config, trt.BuilderFlag.VERSION_COMPATIBLE, settings.version_compatible)
    if settings.hardware_compatibility != "NONE":
        config.hardware_compatibility_level = getattr(trt.HardwareCompatibilityLevel, settings.hardware_compatibility)
    _set_compute_capabilities(trt, config, settings.compute_capabilities, log)
    for sizes in settings.profiles:
        config.add_optimization_profile(_profile(builder, network, sizes))
    return config


def _set_flag(config: Any, flag: Any, wanted: bool) -> None:
    if wanted:
        config.set_flag(flag)
    else:
        config.clear_flag(flag)


def _set_compute_capabilities(trt: Any, config: Any, names: Sequence[str], log: Any) -> None:
    if not names:
        return
    known = getattr(trt, "ComputeCapability", None)
    missing = [name for name in names if not hasattr(known, name)]
    if missing:
        raise Unavailable(message("unknown_capability", library=_version(trt), names=list(missing)))
    config.num_compute_capabilities = len(names)
    for index, name in enumerate(names):
        if not config.set_compute_capability(getattr(known, name), index):
            raise Unavailable(message("refused_capability", library=trt.__name__, name=name, words=log.reason()))


def _profile(builder: Any, network: Any, sizes: Sequence[int]) -> Any:
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)
        if shape[:1] != (-1,) or -1 in shape[1:]:
            raise BuildError(
                f"input {tensor.name} does not have just its batch dimension free",
                received=shape,
                expected="(-1, height, width, channels)",
                fix="export the model with a dynamic batch dimension and a fixed image size",
            )
        profile.set_shape(tensor.name, *((size, *shape[1:]) for size in sizes))
    return profile


def _attach_timing_cache(config: Any, blob: bytes, log: Any) -> Any:
    """A timing cache that starts from `blob`, or None where the library times nothing (it builds ahead of time)."""
    if hasattr(config, "set_compute_capability"):
        return None
    cache = config.create_timing_cache(blob)
    # a cache from another GPU or version is refused: start an empty one then
    if not config.set_timing_cache(cache, False):
        log.dismiss()
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


def _build_failure(trt: Any, log: Any, may_lack_kernels: bool) -> Exception:
    """A row's reason where the library or GPU lacks something; an error where memory was lacking or it should work."""
    short = any(pattern.search(words) for words in log.errors for pattern in (TOO_SMALL, OUT_OF_MEMORY))
    patterns = [UNSUPPORTED, NO_KERNEL] if may_lack_kernels else [UNSUPPORTED]
    unsupported = (words for words in log.errors if any(pattern.search(words) for pattern in patterns))
    if not short and (words := next(unsupported, None)):
        return Unavailable(message("library_words", library=_version(trt), words=words))
    words = log.reason()
    if "Cuda Runtime" in words and (missing := cuda.absence()):
        return Unavailable(message("needs_gpu", library=_version(trt), reason=missing, words=words))
    return BuildError(
        f"{trt.__name__} {trt.__version__} built no engine",
        received=words,
        expected="a serialized engine",
        fix="a smaller profile, a larger workspace_mb or another optimization_level may help",
    )
