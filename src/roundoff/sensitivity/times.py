"""What a narrow precision gains in time, node by node, as the layers of a former run were timed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from roundoff.errors import ConfigError
from roundoff.results.layers import read_profile, read_rows
from roundoff.system.slots import REFERENCE_PRECISION

NS_PER_MS = 1e6


def gained_ns(path: Path, profile: Path, backend: str, narrow: str, products: Collection[str]) -> dict[str, float]:
    """Nanoseconds per image that each node of `products` takes less in `narrow` than in fp32 on that backend; else 0.

    `path` is the file of layers, timed at the batch size that `profile` tells. A layer that several nodes were fused
    into is shared out among those of them that are `products`. Raises ConfigError where either lacks what is needed.
    """
    batch_size = read_profile(profile).batch_size
    wide, short = (_times(path, backend, name, products) for name in (REFERENCE_PRECISION, narrow))
    if not wide or not short or batch_size is None:
        raise ConfigError(
            f"mix.cost_backend={backend} has no times of layers",
            received=_lacking(path, profile, backend, narrow),
            expected="a profile of both precisions",
            fix=f"run `dvc exp run -S profile=on` with the precision {narrow} first, or leave mix.cost_backend out",
        )
    ns_per_ms = NS_PER_MS / batch_size
    return {name: ns_per_ms * max(wide.get(name, 0.0) - short.get(name, 0.0), 0.0) for name in products}


def _lacking(path: Path, profile: Path, backend: str, narrow: str) -> str:
    for file in (path, profile):
        if not file.exists():
            return f"no file {file}"
    return f"{path} without fp32 and {narrow} on {backend}, or {profile} without a batch size"


def _times(path: Path, backend: str, precision: str, products: Collection[str]) -> Mapping[str, float]:
    """Milliseconds by node."""
    times: dict[str, float] = {}
    for row in read_rows(path):
        if (row.backend, row.precision) == (backend, precision) and row.average_ms is not None:
            shared = [name for name in row.nodes if name in products]
            for name in shared:
                times[name] = times.get(name, 0.0) + row.average_ms / len(shared)
    return times
