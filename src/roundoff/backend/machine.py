"""The fingerprint of the machine: what an engine's validity and a measurement's meaning depend on."""

from __future__ import annotations

import platform as host
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from roundoff.results.platform import Cpu, Gpu, Platform, fingerprint_id
from roundoff.system.machine import cpu_model, library_versions, memory_gb, usable_cores
from roundoff.system.nvml import NoNvmlError, nvml

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
        cpu=Cpu(model=cpu_model(), cores=usable_cores()),
        memory_gb=memory_gb(),
        gpus=list(graphics.gpus),
        driver=graphics.driver,
        cuda=graphics.cuda,
        libraries=library_versions(sorted({*TOOLS, *libraries})),
    )
    named = library_versions(sorted({*TOOLS, *libraries, *told}))
    return replace(machine, id=fingerprint_id(machine), libraries=named)


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
