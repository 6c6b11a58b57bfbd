"""Calibration: the range of every activation tensor, seen on training images, with its provenance."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from roundoff.artifact import read_json, write_json

FORMAT_VERSION = 1


@dataclass(frozen=True)
class TensorRange:
    """The range [low, high] chosen for one tensor, beside the extremes that were seen; all in the tensor's own unit."""

    low: float
    high: float
    seen_low: float
    seen_high: float
    method: str
    clipped_fraction: float
    histogram: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CalibrationTable:
    """Ranges by ONNX tensor name, and provenance: method, seed, image and model hashes, tool versions."""

    ranges: dict[str, TensorRange]
    provenance: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write the table as JSON, atomically."""
        write_json(path, {"format": FORMAT_VERSION, **asdict(self)})

    @classmethod
    def load(cls, path: Path) -> CalibrationTable:
        """Read a table that `save` wrote."""
        raw = read_json(path)
        ranges = {name: TensorRange(**values) for name, values in raw["ranges"].items()}
        return cls(ranges=ranges, provenance=raw["provenance"])
