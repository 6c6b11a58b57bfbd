"""What the stages before `evaluate` say of their work, as far as the report reads it; null: not recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from roundoff.results.checked import checked
from roundoff.results.message import Message, as_message
from roundoff.results.values import Count, NotNegative, about

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CalibrationMetrics:
    """calibrate.json."""

    method: Annotated[str | None, about("how the ranges were chosen")] = None
    images: Annotated[Count | None, about("calibration images")] = None
    held_out: Annotated[Count | None, about("training images that the noise was measured on")] = None
    tensors: Annotated[Count | None, about("tensors with a range")] = None
    max_clipped_percent: Annotated[NotNegative | None, about("share of the values that may be clipped, percent")] = None
    warnings: Annotated[list[Message | str] | None, about("what its guards found; text in files of before")] = None

    @property
    def findings(self) -> list[Message]:
        """The warnings as messages."""
        return [as_message(warning) for warning in self.warnings or []]


@dataclass(frozen=True, kw_only=True)
class ExportMetrics:
    """export.json."""

    onnx_sha256: Annotated[str | None, about("SHA-256 of the ONNX graph")] = None


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Images of each split."""

    train: Annotated[Count | None, about("training images")] = None
    test: Annotated[Count | None, about("test images")] = None


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Training images whose pixels are in the test split."""

    train_indices: Annotated[list[Count], about("their indices")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the images come from."""

    dataset: Annotated[str | None, about("what the dataset calls itself")] = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """manifest.json of the prepared dataset."""

    classes: Annotated[list[str | int], about("their names")]
    counts: Annotated[Counts, about("images of each split")] = field(default_factory=Counts)
    seed: Annotated[int | None, about("of the calibration indices")] = None
    calibration_indices: Annotated[list[int] | None, about("of training images that calibration may take")] = None
    duplicates: Annotated[Duplicates, about("training images that are in the test split")] = field(
        default_factory=Duplicates
    )
    source: Annotated[Source, about("where the images come from")] = field(default_factory=Source)


def stage_from(kind: type[T], name: str, content: object) -> T:
    """The content of NAME.json as a `kind`; what else stands there is left alone. Raises DataError."""
    return checked(kind, content, f"{name}.json", complete=False)
