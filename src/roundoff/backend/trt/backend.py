"""TensorRT and TensorRT-RTX: the same code, over either Python module."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from roundoff.backend import cuda
from roundoff.backend.base import Backend, Lack, LayerTimer, Source
from roundoff.backend.gpu_settings import A_GPU, require_batch_sizes, require_setting, require_streams
from roundoff.backend.trt.build import Built, Settings, build_engine, builds_ahead_of_time
from roundoff.backend.trt.compatibility import made_for, refuse_foreign
from roundoff.backend.trt.inspect import multiplications, note, refuse_false_claim, summarize
from roundoff.backend.trt.library import INSTALL, import_tensorrt, make_log, published_here, read_cache, write_cache
from roundoff.backend.trt.runner import KERNELS, TensorrtRunner
from roundoff.dataset.base import Images
from roundoff.errors import BuildError, GateError, RoundoffError, Unavailable
from roundoff.pipeline.limits import MOST_BATCH
from roundoff.precision.base import Grid, Precision
from roundoff.results.build import BuildInfo
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message, as_message, message
from roundoff.system.files import read_json, write_json
from roundoff.system.gc_pause import collector_paused

INFO, TIMING_CACHE = "engine.json", "timing.cache"
GRAPH = "graph.onnx"  # in a cell's folder, what it was built from
LEVELS = range(6)
MOST_MEGABYTES, MOST_REPEATS = 10**6, 100
TITLE = "TensorRT"


@dataclass(frozen=True)
class Tensorrt(Backend):
    """An NVIDIA GPU through `module` (tensorrt or tensorrt_rtx).

    `profiles` are batch sizes as [min, opt, max]; None makes one for each of `batch_sizes` (which count only then),
    fixed to that size, since one for a range is slower (docs/tensorrt.md). `workspace_mb` (10^6 bytes) bounds a layer's
    scratch memory, None leaves it to TensorRT. `compute_capabilities` (SM75, SM89, …, CURRENT) narrows what a
    TensorRT-RTX engine runs on; empty means every GPU from Ampere on. With `repeats` above 1 each engine is built that
    often, after the first time from an empty timing cache, and the builds are timed in turn. Timing and runtime caches,
    which outlive engines, are kept in `cache`; null means roundoff/ in the user's cache directory.
    """

    artifact: ClassVar[str] = "model.engine"
    on_gpu: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = (
        *("cuda-python", "tensorrt", "tensorrt-cu12"),
        *("tensorrt-rtx", "tensorrt-rtx-cu13"),
    )
    grid: ClassVar[Grid] = Grid(activation="int8", symmetric=True)

    module: str = "tensorrt_rtx"
    profiles: list[list[int]] | None = None
    batch_sizes: list[int] = field(default_factory=lambda: [1, 32])
    workspace_mb: int | None = None
    optimization_level: int = 3
    compute_capabilities: tuple[str, ...] = ()
    hardware_compatibility: str = "NONE"
    version_compatible: bool = False
    cuda_graphs: bool = True
    streams: int = 3
    repeats: int = 1
    cache: str | None = None

    def __post_init__(self) -> None:
        _require(self.module in INSTALL, "module", self.module, f"one of {', '.join(INSTALL)}")
        require_batch_sizes(self.batch_sizes, TITLE)
        require_streams(self.streams, TITLE)
        given = self.profiles is None or len(self.profiles) > 0
        _require(given, "profiles", self.profiles, "null, or one or more [min, opt, max]")
        for sizes in self.profiles or []:
            rising = len(sizes) == 3 and 1 <= sizes[0] <= sizes[1] <= sizes[2] <= MOST_BATCH
            expected = f"batch sizes [min, opt, max] with 1 <= min <= opt <= max <= {MOST_BATCH}"
            _require(rising, "profiles", list(sizes), expected)
        positive = self.workspace_mb is None or 0 < self.workspace_mb <= MOST_MEGABYTES
        _require(
            positive, "workspace_mb", self.workspace_mb, f"null or a positive number of MB, at most {MOST_MEGABYTES}"
        )
        _require(self.optimization_level in LEVELS, "optimization_level", self.optimization_level, "0 to 5")
        levels = ("NONE", "AMPERE_PLUS", "SAME_COMPUTE_CAPABILITY")
        level = self.hardware_compatibility
        _require(level in levels, "hardware_compatibility", level, f"one of {', '.join(levels)}")
        if self.module == "tensorrt_rtx":
            portable = level != "NONE" or self.version_compatible
            expected = "neither: TensorRT-RTX has compute_capabilities instead"
            _require(not portable, "hardware_compatibility or version_compatible", "set", expected)
        else:
            expected = "[]: TensorRT builds for the GPU of this machine"
            _require(not self.compute_capabilities, "compute_capabilities", self.compute_capabilities, expected)
        for name in self.compute_capabilities:
            known = bool(re.fullmatch(r"SM\d{2,3}|CURRENT", name))
            _require(known, "compute_capabilities", name, "names such as SM80, SM89, SM120, or CURRENT")
        expected = f"at least 1 build of each engine, at most {MOST_REPEATS}"
        _require(1 <= self.repeats <= MOST_REPEATS, "repeats", self.repeats, expected)
        _require(self.cache != "", "cache", repr(self.cache), "a directory, or null")

    @property
    def _profiles(self) -> list[list[int]]:
        return [3 * [size] for size in self.batch_sizes] if self.profiles is None else self.profiles

    def refusal(self, precision: Precision) -> Message | None:
        """A library that builds only on its GPU, without one; a precision that it or the GPU has no units for."""
        if precision.activations == "int16":
            return message("no_int16", library=self.module)
        try:
            trt = import_tensorrt(self.module)
        except BuildError as error:
            # where it could be installed, `build` raises this: what was asked for must be there
            return None if published_here(self.module) else message("no_packages", words=str(error.what))
        missing = cuda.absence()
        if missing is None:
            return cuda.beyond_this_gpu((precision.weights, precision.activations))
        if builds_ahead_of_time(trt) and "CURRENT" not in self.compute_capabilities:
            return None
        return message("builds_for_gpu_here", library=self.module, reason=missing)

    def lack(self) -> Lack | None:
        """Its package, or a GPU; without one TensorRT-RTX builds all the same."""
        try:
            trt = import_tensorrt(self.module)
        except BuildError as error:
            return Lack(str(error.what), error.fix)
        missing = cuda.absence()
        if missing is None:
            return None
        return Lack(str(missing), f"{A_GPU}; engines are built here" if builds_ahead_of_time(trt) else A_GPU)

    def builds_on(self) -> str | None:
        """The GPU for TensorRT, which times its kernels there; None for TensorRT-RTX, which builds ahead of time.

        Raises Unavailable where the GPU cannot be used.
        """
        if builds_ahead_of_time(import_tensorrt(self.module)):
            return None
        try:
            return cuda.use_first_device()
        except cuda.CudaError as error:
            raise Unavailable(message("builds_for_gpu_here", library=self.module, reason=str(error))) from None

    def build(self, source: Source, directory: Path) -> BuildInfo:
        """Write model.engine, engine.json and (TensorRT) timing.cache."""
        import onnx

        trt = import_tensorrt(self.module)
        if not builds_ahead_of_time(trt) and (missing := cuda.absence()):
            raise Unavailable(message("builds_for_gpu_here", library=self.module, reason=missing))
        timings = self._timing_cache_file(trt)
        cache = b"" if source.again else read_cache(timings)
        settings, log = self._settings(source.precision), self._log_file(source)
        try:
            with collector_paused():
                built = build_engine(trt, source.name, source.graph, settings, log, cache)
            claimed = (source.precision.weights, source.precision.activations)
            refuse_false_claim(claimed, built.layers, unknown_counts=True)
        except (BuildError, GateError) as error:
            raise self._with_log(error, log, source.name) from None
        (directory / self.artifact).write_bytes(built.engine)
        if built.timing_cache:
            (directory / TIMING_CACHE).write_bytes(built.timing_cache)
            if not source.again:  # or a further build, begun from nothing, would throw away what others had learnt
                write_cache(timings, built.timing_cache)
        macs = multiplications(onnx.load(source.graph))
        info = self._info(trt, source.precision, built, macs)
        write_json(directory / INFO, as_json(info))
        return info

    def layer_times(self, directory: Path, batches: Sequence[Images]) -> LayerTimer:
        """By TensorRT's own profiler, enqueued: a CUDA graph is not looked into."""
        return self.load(directory).layer_timer(batches, directory / GRAPH)

    def load(self, directory: Path) -> TensorrtRunner:
        """The engine on the first visible GPU; Unavailable where there is none or it was made for another."""
        missing = cuda.absence()
        if missing:
            raise Unavailable(missing)
        try:
            trt = import_tensorrt(self.module)
        except BuildError as error:
            values = {"what": str(error.what), "received": str(error.received), "remedy": error.fix}
            raise Unavailable(message("not_importable", **values)) from None
        info = checked(BuildInfo, read_json(directory / INFO), str(directory / INFO))
        plan = (directory / self.artifact).read_bytes()
        log = make_log(trt)
        with collector_paused():
            refuse_foreign(trt, info.made_for or {}, plan, log)
            return TensorrtRunner(trt, plan, log, info, self._kernels_file(plan), self.streams, self.cuda_graphs)

    def _with_log(self, error: RoundoffError, log: Path, name: str) -> RoundoffError:
        """The error with the precision's name, and where the log is."""
        fix = f"{error.fix}; {self.module}'s log is in {log}" if log.exists() else error.fix
        what = message("on_backend", cell=f"{name} on {self.module}", what=as_message(error.what))
        return type(error)(what, received=error.received, expected=error.expected, fix=fix)

    def _log_file(self, source: Source) -> Path:
        """Where the library's log goes, from its beginning; a further build adds to it."""
        log = source.log or self._cache_directory() / f"{self.module}-{source.name}-build.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        if not source.again:
            log.unlink(missing_ok=True)
        return log

    def _settings(self, precision: Precision) -> Settings:
        return Settings(
            profiles=[tuple(sizes) for sizes in self._profiles],
            allow_tf32=precision.allows_tf32,
            workspace_mb=self.workspace_mb,
            optimization_level=self.optimization_level,
            compute_capabilities=tuple(self.compute_capabilities),
            hardware_compatibility=self.hardware_compatibility,
            version_compatible=self.version_compatible,
            may_lack_kernels={precision.weights, precision.activations} != {"float32"},
        )

    def _info(self, trt: Any, precision: Precision, built: Built, macs: dict[str, int]) -> BuildInfo:
        layers = summarize(built.layers, macs)
        told = note(layers.layer_types or {})
        return BuildInfo(
            **vars(layers),
            notes=[told] if told else [],
            made_for=made_for(trt, self.hardware_compatibility, self.version_compatible),
            weights=precision.weights,
            activations=precision.activations,
            tf32_allowed=precision.allows_tf32,
            profiles=[list(sizes) for sizes in self._profiles],
            version_compatible=self.version_compatible,
            build_warnings=len(built.warnings),
            multiplications=macs,
        )

    def _cache_directory(self) -> Path:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(self.cache) if self.cache else Path(home) / "roundoff"

    def _kernels_file(self, plan: bytes) -> Path:
        """Of this engine on this GPU: another GPU refuses the kernels, be it of the same model, and writes its own."""
        gpu = hashlib.sha256(cuda.use_first_device().encode()).hexdigest()[:8]
        return self._cache_directory() / f"{hashlib.sha256(plan).hexdigest()[:16]}-{gpu}{KERNELS}"

    def _timing_cache_file(self, trt: Any) -> Path:
        return self._cache_directory() / f"{self.module}-{trt.__version__}-timing.cache"


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    require_setting(holds, TITLE, name, received, expected)
