"""The calibration table: the range of every activation tensor, and where the ranges come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.sound import faults
from roundoff.errors import CalibrationError, DataError
from roundoff.results.checked import checked
from roundoff.system.files import read_json, write_json

FORMAT_VERSION = 3
EARLIER = (2,)  # held-out images could widen a range beyond the extremes that it names


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where ranges come from: the method and its settings, the model and the images by their hashes, the tools.

    `preprocessing` are the nodes before the first operator with a weight, in words; None: not recorded.
    """

    method: str | None = None
    settings: dict[str, object] | None = None
    model_sha256: str | None = None
    images_sha256: str | None = None
    image_indices: list[int] | None = None
    held_out_sha256: str | None = None
    held_out_indices_sha256: str | None = None
    preprocessing: list[str] | None = None
    seed: int | None = None
    versions: dict[str, str] | None = None


@dataclass(frozen=True)
class CalibrationTable:
    """Ranges by ONNX tensor name, and where they come from."""

    ranges: dict[str, TensorRange]
    provenance: Provenance

    def __post_init__(self) -> None:
        if isinstance(self.provenance, Mapping):  # as a script may hand it on from JSON
            object.__setattr__(self, "provenance", Provenance(**self.provenance))

    def save(self, path: Path) -> None:
        """Write the table as JSON, atomically."""
        write_json(path, {"format": FORMAT_VERSION, **asdict(self)})

    @classmethod
    def load(cls, path: Path) -> CalibrationTable:
        """Read a table that `save` wrote; raises CalibrationError for another format or a damaged file."""
        try:
            raw = read_json(path)
            _require_format(path, raw["format"])
            ranges = {name: _range(name, each, path, raw["format"]) for name, each in raw["ranges"].items()}
            provenance = checked(Provenance, raw["provenance"], str(path), complete=False)
        except (DataError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CalibrationError(
                f"cannot read the calibration table {path}",
                received=error.received if isinstance(error, DataError) else f"{type(error).__name__}: {error}",
                expected=f"a JSON table of format {FORMAT_VERSION}, each range within the values that were seen",
                fix="run the calibrate stage again",
            ) from error
        return cls(ranges=ranges, provenance=provenance)


def _range(name: str, content: object, path: Path, version: int) -> TensorRange:
    """What `save` wrote; a table that knows of symmetric grids alone lacks the choice for others."""
    tensor = checked(TensorRange, content, f"{path}: {name}", complete=False)
    if wrong := next(faults(tensor, bounded=version not in EARLIER), None):
        raise ValueError(f"{name}: {wrong}")
    return tensor


def _require_format(path: Path, version: object) -> None:
    if version not in (FORMAT_VERSION, *EARLIER):
        raise CalibrationError(
            f"{path} is a calibration table of another format",
            received=version,
            expected=f"format {FORMAT_VERSION} or {', '.join(map(str, EARLIER))}",
            fix="run the calibrate stage again",
        )
