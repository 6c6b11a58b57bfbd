"""The fingerprint of the machine: what an engine's validity and a measurement's meaning depend on."""

from __future__ import annotations

import hashlib
import json
import os
import platform as host
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from roundoff.results.checked import as_json
from roundoff.results.platform import Cpu, Gpu, Platform
from roundoff.system.nvml import NoNvmlError, nvml

CPUINFO = Path("/proc/cpuinfo")
# What kernels of CPU libraries are chosen by; NumPy's list of features lacks AVX-VNNI, AMX and i8mm.
VECTORS = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve"),
)
TOOLS = ("jax", "keras", "numpy", "onnx", "openvino", "tensorflow", "tf2onnx")  # of other stages, and of benchmarks


def fingerprint(libraries: Iterable[str] = (), told: Iterable[str] = ()) -> Platform:
    """The machine's parts, and their `id`. Without an NVIDIA driver the GPU parts are empty and None.

    `libraries` are distributions to name beside the tools of every stage; those in `told` are named, too, and are no
    part of the `id`.
    """
    graphics = _graphics()
    machine = Platform(
        system=f"{host.system()} {host.machine()}",
        python=host.python_version(),
        cpu=Cpu(model=_cpu_model(), cores=usable_cores()),
        memory_gb=_memory_gb(),
        gpus=list(graphics.gpus),
        driver=graphics.driver,
        cuda=graphics.cuda,
        libraries=library_versions(sorted({*TOOLS, *libraries})),
    )
    named = library_versions(sorted({*TOOLS, *libraries, *told}))
    return replace(machine, id=fingerprint_id(machine), libraries=named)


def fingerprint_id(machine: Platform) -> str:
    """The short hash of a fingerprint's parts (without its `id`)."""
    content = {key: value for key, value in as_json(machine).items() if key != "id"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those distributions that are installed here.

    One that is not is left out: roundoff itself has no version where it is only on PYTHONPATH.
    """
    versions = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def usable_cores() -> int:
    """Cores that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def vector_instructions() -> list[str]:
    """Those of VECTORS that this CPU has, as far as Linux tells."""
    told = _cpuinfo("flags", "Features").split()
    return [name for name in VECTORS if name in told]


def _cpu_model() -> str:
    return _cpuinfo("model name") or host.processor() or host.machine()


def _cpuinfo(*keys: str) -> str:
    """What Linux tells of the first core under the first of these keys that it has."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            if line.partition(":")[0].strip() in keys:
                return line.partition(":")[2].strip()
    return ""


def _memory_gb() -> int:
    import psutil

    return round(psutil.virtual_memory().total / 1e9)


@dataclass(frozen=True)
class _Graphics:
    """What NVIDIA's driver tells."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: str | None = None


def _graphics() -> _Graphics:
    try:
        pynvml = nvml()
    except NoNvmlError:
        return _Graphics()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        cuda = pynvml.nvmlSystemGetCudaDriverVersion()
        return _Graphics(
            gpus=tuple(_gpu(pynvml, handle) for handle in handles),
            driver=_text(pynvml.nvmlSystemGetDriverVersion()),
            cuda=f"{cuda // 1000}.{cuda % 1000 // 10}",
        )
    finally:
        pynvml.nvmlShutdown()


def _gpu(pynvml: Any, handle: Any) -> Gpu:
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(
        name=_text(pynvml.nvmlDeviceGetName(handle)),
        uuid=_text(pynvml.nvmlDeviceGetUUID(handle)),
        sm=f"{major}.{minor}",
        memory_mb=_memory_mb(pynvml, handle),
    )


def _memory_mb(pynvml: Any, handle: Any) -> int | None:
    """None where the GPU has no memory of its own, which NVML then does not tell."""
    try:
        return round(int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) / 1e6)
    except pynvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
