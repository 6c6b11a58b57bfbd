"""This machine: its processor, its memory, and what is installed on it."""

from __future__ import annotations

import os
import platform as host
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# What kernels of CPU libraries are chosen by; NumPy's list of features lacks AVX-VNNI, AMX and i8mm.
VECTORS = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve"),
)


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


def cpu_model() -> str:
    """The processor's name, or else its architecture's."""
    return _cpuinfo("model name") or host.processor() or host.machine()


def _cpuinfo(*keys: str) -> str:
    """What Linux tells of the first core under the first of these keys that it has."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            if line.partition(":")[0].strip() in keys:
                return line.partition(":")[2].strip()
    return ""


def memory_gb() -> int:
    """The memory, 10^9 bytes."""
    import psutil

    return round(psutil.virtual_memory().total / 1e9)
