"""Calibration: the range of every activation tensor, seen on training images, with its provenance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from roundoff.artifact import read_json, write_json
from roundoff.calibration.histogram import Histogram
from roundoff.errors import CalibrationError, ConfigError, DataError
from roundoff.limits import MOST_BATCH, MOST_IMAGES

FORMAT_VERSION = 2
MOST_CANDIDATES = 2**16  # a histogram has 4096 bins on a side


@dataclass(frozen=True)
class TensorRange:
    """The range [low, high] chosen for one tensor, beside the extremes that were seen; all in the tensor's own unit.

    `channel_means` are the means of a Conv's input [N, C, …] by channel, [C]; None for what no Conv takes.
    """

    low: float
    high: float
    seen_low: float
    seen_high: float
    method: str
    clipped_fraction: float
    histogram: dict[str, Any] = field(default_factory=dict)
    channel_means: list[float] | None = None


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
        """Read a table that `save` wrote; raises CalibrationError for another format or a damaged file."""
        try:
            raw = read_json(path)
            _require_format(path, raw["format"])
            ranges = {name: TensorRange(**values) for name, values in raw["ranges"].items()}
            provenance = raw["provenance"]
        except (DataError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CalibrationError(
                f"cannot read the calibration table {path}",
                received=error.received if isinstance(error, DataError) else f"{type(error).__name__}: {error}",
                expected=f"a JSON table of format {FORMAT_VERSION}",
                fix="run the calibrate stage again",
            ) from error
        return cls(ranges=ranges, provenance=provenance)


@dataclass(frozen=True)
class Calibrator(ABC):
    """A way to choose ranges from histograms. A subclass is a frozen dataclass whose fields are its YAML's keys.

    `images` training images are observed, read `batch_size` at a time; neither the batch size nor the place where
    batches are cut changes a threshold. `held_out` further training images measure the noise of the chosen ranges; a
    method that `compares_held_out` also chooses by them.
    `max_clipped_percent` is the share of a tensor's nonzero values that may lie outside its range before a guard warns.
    """

    name: ClassVar[str]
    compares_held_out: ClassVar[bool] = False

    images: int = 320
    batch_size: int = 32
    held_out: int = 128
    max_clipped_percent: float = 1.0

    def __post_init__(self) -> None:
        for key in ("images", "batch_size", "held_out"):
            most = MOST_BATCH if key == "batch_size" else MOST_IMAGES
            require(1 <= getattr(self, key) <= most, key, getattr(self, key), f"a whole number from 1 up to {most}")
        require(
            0 < self.max_clipped_percent <= 100, "max_clipped_percent", self.max_clipped_percent, "above 0, at most 100"
        )

    @abstractmethod
    def threshold(self, seen: Histogram) -> float:
        """The magnitude T at which this method clips a tensor with the histogram `seen`; 0 for a tensor of zeros."""

    def choose(self, seen: Histogram, held_out: Histogram) -> tuple[float, str]:
        """The threshold and the name of the method behind it.

        `held_out` is the same tensor on other images for a method that `compares_held_out`; else it is not looked at.
        """
        return self.threshold(seen), self.name


def _require_format(path: Path, version: object) -> None:
    if version != FORMAT_VERSION:
        raise CalibrationError(
            f"{path} is a calibration table of another format",
            received=version,
            expected=FORMAT_VERSION,
            fix="run the calibrate stage again",
        )


def require(holds: bool, key: str, received: object, expected: str) -> None:
    """Raise ConfigError naming `calibrate.key` unless the condition holds."""
    if not holds:
        raise ConfigError(
            f"calibrate.{key} is out of range",
            received=received,
            expected=expected,
            fix=f"set calibrate.{key} in conf/calibrate/ or with -S calibrate.{key}=…",
        )


def require_candidates(candidates: int) -> None:
    """Raise ConfigError unless there are thresholds to choose from, and no more than can tell anything apart."""
    most = MOST_CANDIDATES
    require(2 <= candidates <= most, "candidates", candidates, f"2 or more thresholds to choose from, at most {most}")
