"""The fingerprint of a machine: what an engine's validity and a measurement's meaning depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from roundoff.results.checked import as_json, checked
from roundoff.results.values import Count, about
from roundoff.system.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """The processor."""

    model: Annotated[str | None, about("its name")] = None
    cores: Annotated[Count | None, about("those that the process might use")] = None


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU."""

    name: Annotated[str | None, about("its name")] = None
    uuid: Annotated[str | None, about("its UUID, as nvidia-smi writes it")] = None
    sm: Annotated[str | None, about("compute capability")] = None
    memory_mb: Annotated[Count | None, about("memory, 10^6 bytes; null: it has none of its own")] = None


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The fingerprint of the machine, platform.json."""

    id: Annotated[str | None, about("the first 12 hexadecimal digits of the SHA-256 of the parts")] = None
    system: Annotated[str | None, about("operating system and architecture")] = None
    python: Annotated[str | None, about("version of Python")] = None
    cpu: Annotated[Cpu, about("the processor")] = field(default_factory=Cpu)
    memory_gb: Annotated[Count | None, about("memory, 10^9 bytes")] = None
    gpus: Annotated[list[Gpu], about("NVIDIA GPUs; none without a driver")] = field(default_factory=list)
    driver: Annotated[str | None, about("version of the NVIDIA driver")] = None
    cuda: Annotated[str | None, about("newest version of CUDA that the driver supports")] = None
    libraries: Annotated[dict[str, str], about("versions by distribution, of those that are installed")] = field(
        default_factory=dict
    )


def fingerprint_id(machine: Platform) -> str:
    """The short hash of a fingerprint's parts (without its `id`)."""
    content = {key: value for key, value in as_json(machine).items() if key != "id"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def read_platform(path: Path) -> Platform:
    """The content of platform.json, in which keys may be missing; raises DataError."""
    return checked(Platform, read_json(path), str(path), complete=False)


def write_platform(platform: Platform, path: Path) -> None:
    """Write platform.json."""
    write_json(path, as_json(platform))
