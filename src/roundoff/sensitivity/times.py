"""What a narrow precision gains in time, node by node, as the layers of a former run were timed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from roundoff.errors import ConfigError
from roundoff.results.layers import read_rows
from roundoff.system.slots import REFERENCE_PRECISION

NS_PER_MS = 1e6


def gained_ns(path: Path, backend: str, narrow: str, products: Collection[str]) -> dict[str, float]:
    """Nanoseconds that each of the nodes `products` takes less in `narrow` than in fp32 on that backend; else 0.

    A layer that several nodes were fused into is shared out among those of them that are `products`. Raises ConfigError
    where the file of layers does not have both precisions.
    """
    wide, short = (_times(path, backend, name, products) for name in (REFERENCE_PRECISION, narrow))
    if not wide or not short:
        raise ConfigError(
            f"mix.cost_backend={backend} has no times of layers",
            received=f"{path} without fp32 and {narrow} on {backend}" if path.exists() else f"no file {path}",
            expected="a profile of both precisions",
            fix=f"run `dvc exp run -S profile=on` with the precision {narrow} first, or leave mix.cost_backend out",
        )
    return {name: NS_PER_MS * max(wide.get(name, 0.0) - short.get(name, 0.0), 0.0) for name in products}


def _times(path: Path, backend: str, precision: str, products: Collection[str]) -> Mapping[str, float]:
    """Milliseconds by node."""
    times: dict[str, float] = {}
    for row in read_rows(path):
        if (row.backend, row.precision) == (backend, precision) and row.average_ms is not None:
            shared = [name for name in row.nodes if name in products]
            for name in shared:
                times[name] = times.get(name, 0.0) + row.average_ms / len(shared)
    return times
