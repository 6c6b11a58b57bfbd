"""Time per layer: layers.csv, a row for each layer as a backend ran it, and profile.json, what holds of a cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from roundoff.errors import DataError
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message
from roundoff.results.values import Count, NotNegative, Positive, Size, Status, about
from roundoff.results.versions import read_of_format
from roundoff.system.arrays import unreadable
from roundoff.system.files import write_json, write_text
from roundoff.system.tables import read_table

FORMAT = 1
COLUMNS = {
    "backend": "backend",
    "precision": "precision",
    "layer": "layer",
    "node": "node",
    "type": "kind",
    "timeMs": "time_ms",
    "averageMs": "average_ms",
    "medianMs": "median_ms",
    "percentage": "percentage",
    "macs": "macs",
    "bytes": "moved_bytes",
    "computes_in": "computes_in",
    "role": "role",
    "reason": "reason",
}
"""Heading of a column of layers.csv → field of a row; the four of times are called and mean what trtexec has them."""
FIGURES = ("timeMs", "averageMs", "medianMs", "percentage", "macs", "bytes")
STAGE = "profile"
PRODUCT, CONVERSION, OTHER = "product", "conversion", "other"
JOINED = ";"


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer of a cell, all runs of one batch size; or why the cell has no times per layer (`reason`, in English).

    `layer` is what the user calls it, `nodes` are those of the cell's graph. `time_ms` is the sum over the runs that
    were timed, `average_ms` and `median_ms` are of one run, `percentage` the share of the sum over all layers. `macs`
    are multiply-adds and `moved_bytes` bytes read and written in one run; None is not known. `role` is product (a
    convolution or matrix product), conversion (of type or layout) or other.
    """

    backend: str
    precision: str
    layer: str = ""
    nodes: tuple[str, ...] = ()
    kind: str = ""
    time_ms: float | None = None
    average_ms: float | None = None
    median_ms: float | None = None
    percentage: float | None = None
    macs: int | None = None
    moved_bytes: int | None = None
    computes_in: str | None = None
    role: str = ""
    reason: str = ""

    @property
    def cell(self) -> str:
        """`PRECISION/BACKEND`."""
        return f"{self.precision}/{self.backend}"

    @property
    def timed(self) -> bool:
        """Whether this is a layer, and no reason."""
        return self.average_ms is not None

    @property
    def node(self) -> str:
        """The names of its nodes as one text."""
        return JOINED.join(self.nodes)


@dataclass(frozen=True, kw_only=True)
class CellLayers:
    """What holds of a cell's layers as a whole; without times there is a reason."""

    status: Annotated[Status, about("what became of it")]
    reason: Annotated[Message | None, about("why there are no times per layer")] = None
    detail: Annotated[str | None, about("the runtime's own words")] = None
    device: Annotated[str | None, about('"cpu", or a GPU\'s UUID')] = None
    runs: Annotated[Count, about("runs whose layers were timed")] = 0
    layers_ms: Annotated[NotNegative | None, about("sum over the layers, median over the runs")] = None
    whole_ms: Annotated[
        Positive | None, about("the same run, enqueued, without looking at layers, in turn with those; median")
    ] = None
    replay_ms: Annotated[Positive | None, about("the same run as a replayed CUDA graph; null: there is none")] = None
    covered: Annotated[
        NotNegative | None, about("the layers' sum over the whole run beside it, median over such pairs")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What a device reaches in large products and copies, measured through one backend."""

    macs_per_s: Annotated[dict[str, Positive], about("multiply-adds per second by the type that they read")] = field(
        default_factory=dict
    )
    bytes_per_s: Annotated[Positive | None, about("bytes read and written per second by an element-wise layer")] = None
    measured_by: Annotated[list[str], about("the cells, PRECISION/BACKEND, that it was measured by")] = field(
        default_factory=list
    )


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The content of profile.json; without cells nothing was profiled."""

    platform: Annotated[str | None, about("id of the machine's fingerprint")] = None
    batch_size: Annotated[Size | None, about("images of a run")] = None
    cells: Annotated[dict[str, CellLayers], about("by PRECISION/BACKEND")] = field(default_factory=dict)
    rooflines: Annotated[dict[str, Roofline], about("by device")] = field(default_factory=dict)


def write_profile(profile: Profile, path: Path) -> None:
    """Write profile.json."""
    write_json(path, {"format": FORMAT, **as_json(profile)})


def read_profile(path: Path) -> Profile:
    """What `write_profile` wrote, empty where there is no file; raises DataError for what is none."""
    if not path.exists():
        return Profile()
    return checked(Profile, read_of_format(path, FORMAT), str(path))


def last_profile(path: Path) -> Profile:
    """The same, empty for what cannot be read, or another version wrote: its rooflines are then measured anew."""
    try:
        return read_profile(path)
    except (DataError, OSError):
        return Profile()


def write_rows(rows: Iterable[LayerRow], path: Path) -> None:
    """Write layers.csv; figures in seven digits, nothing where a value is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        fields = {**vars(row), "node": row.node}
        writer.writerow([_written(fields[name]) for name in COLUMNS.values()])
    write_text(path, text.getvalue())


def read_rows(path: Path | None) -> list[LayerRow]:
    """What `write_rows` wrote; none where there is no file."""
    lines = read_table(path, STAGE, [name for name in COLUMNS if name not in FIGURES])
    return [_checked_row(line, path) for line in lines]


def _checked_row(line: dict[str, str], path: Path | None) -> LayerRow:
    try:
        return _read(line)
    except ValueError as error:
        assert path is not None
        raise unreadable(
            path, f"{error} in the row {line}", "numbers in the columns of times and counts", STAGE
        ) from None


def _written(value: object) -> object:
    return f"{value:.7g}" if isinstance(value, float) else value


def _read(line: dict[str, str]) -> LayerRow:
    def number(heading: str) -> float | None:
        return float(line[heading]) if line.get(heading) else None

    def count(heading: str) -> int | None:
        return int(line[heading]) if line.get(heading) else None

    return LayerRow(
        backend=line["backend"],
        precision=line["precision"],
        layer=line["layer"],
        nodes=tuple(filter(None, line["node"].split(JOINED))),
        kind=line["type"],
        time_ms=number("timeMs"),
        average_ms=number("averageMs"),
        median_ms=number("medianMs"),
        percentage=number("percentage"),
        macs=count("macs"),
        moved_bytes=count("bytes"),
        computes_in=line["computes_in"] or None,
        role=line["role"],
        reason=line["reason"],
    )
