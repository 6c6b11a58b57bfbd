"""Everything that a report is written from, read from the files of a run."""

from __future__ import annotations

import csv
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Images, Prepared
from roundoff.errors import DataError
from roundoff.measurement.accuracy import chance_level, predictions
from roundoff.system.files import read_json

HEAD = ("platform", "reference", "method")
# what NumPy and zipfile raise on bytes that were cut or changed
BROKEN = (OSError, ValueError, EOFError, RuntimeError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)
USUAL_ORDER = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8_fp16", "int8")


@dataclass(frozen=True)
class Sources:
    """Where a run's files are."""

    metrics: Path
    predictions: Path
    timings: Path
    prepared: Path
    curves: Path | None
    noise: Path


@dataclass(frozen=True)
class Cell:
    """One precision on one backend, with its object from the metrics."""

    precision: str
    backend: str
    facts: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The name used in verdicts: PRECISION/BACKEND."""
        return f"{self.precision}/{self.backend}"

    @property
    def measured(self) -> bool:
        return bool(self.facts.get("status") == "measured")

    @property
    def failed(self) -> bool:
        """Whether it should work and does not, at any batch size."""
        return bool(self.facts.get("status") == "failed")

    def batch_status(self, batch: int) -> str:
        """`measured`, `unavailable` or `failed`; metrics of before `failed` was known do not say it."""
        timing = self.batches[batch]
        return str(timing.get("status") or ("unavailable" if timing.get("reason") else "measured"))

    @property
    def failed_batches(self) -> dict[int, Mapping[str, Any]]:
        """The batch sizes that failed, of a cell that did not fail as a whole."""
        return {} if self.failed else {n: self.batches[n] for n in self.batches if self.batch_status(n) == "failed"}

    @property
    def label(self) -> str:
        """The type that the cell computes in by its measured error; what was asked for where that is unknown."""
        return str(self.facts.get("label") or self.precision)

    @property
    def accuracy(self) -> Mapping[str, Any]:
        return self.facts.get("accuracy") or {}

    @property
    def batches(self) -> dict[int, Mapping[str, Any]]:
        """Timings by batch size, smallest first."""
        sizes = sorted(int(key.removeprefix("batch_")) for key in self.facts if key.startswith("batch_"))
        return {size: self.facts[f"batch_{size}"] for size in sizes if self.facts[f"batch_{size}"]}


@dataclass(frozen=True)
class Evidence:
    """The files of one run. Arrays are read when asked for; what a run does not have is None or empty."""

    sources: Sources
    cells: tuple[Cell, ...]
    platform: Mapping[str, Any]
    platform_ids: tuple[str, ...]
    reference: str | None
    method: Mapping[str, Any]
    verdict: Mapping[str, Any]

    @property
    def measured(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.measured)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return tuple(sorted({size for cell in self.cells for size in cell.batches}))

    @property
    def main_batch(self) -> int | None:
        """The batch size that the verdict ranks cells at, else the smallest that was measured."""
        ranked = (self.verdict.get("target") or {}).get("batch_size")
        return int(ranked) if ranked in self.batch_sizes else next(iter(self.batch_sizes), None)

    def cell(self, key: str | None) -> Cell | None:
        """The cell named PRECISION/BACKEND."""
        return next((cell for cell in self.cells if cell.key == key), None)

    @property
    def chance(self) -> float:
        """Accuracy of the best constant answer on this test set."""
        recorded = self.method.get("chance")
        return chance_level(self.labels, len(self.classes)) if recorded is None else float(recorded)

    @property
    def chance_margin(self) -> float:
        """The share of the way from chance to 1 that an accuracy's lower bound must be above chance."""
        return float((self.method.get("evaluate") or {}).get("chance_margin") or 0.0)

    @property
    def devices(self) -> Mapping[str, Mapping[str, Any]]:
        """How each device was timed, by its name or UUID."""
        found: Mapping[str, Mapping[str, Any]] = self.method.get("devices") or {}
        return found

    @property
    def timings(self) -> list[Mapping[str, Any]]:
        """Every batch of every cell that was timed."""
        return [timing for _, _, timing in self.timed_batches]

    @property
    def timed_batches(self) -> list[tuple[Cell, int, Mapping[str, Any]]]:
        """Cell, batch size and metrics of every batch that was timed."""
        return [(cell, batch, timing) for cell, batch, timing in self.batches if cell.measured and timing.get("runs")]

    @property
    def batches(self) -> list[tuple[Cell, int, Mapping[str, Any]]]:
        """Cell, batch size and metrics of every batch, timed or not."""
        return [(cell, batch, timing) for cell in self.cells for batch, timing in cell.batches.items()]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the prepared dataset says of itself."""
        return Prepared(self.sources.prepared).manifest

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.manifest["classes"])

    def class_name(self, index: int) -> str:
        """The name of a class; a question mark for an answer that was not finite."""
        return self.classes[index] if index >= 0 else "?"

    @cached_property
    def curves(self) -> list[dict[str, str]]:
        return _csv_rows(self.sources.curves)

    @cached_property
    def noise(self) -> list[dict[str, str]]:
        return _csv_rows(self.sources.noise)

    def facts(self, name: str) -> dict[str, Any]:
        """The metrics of one stage, such as `calibrate`; empty where the file is missing."""
        path = self.sources.metrics / f"{name}.json"
        return dict(read_json(path)) if path.exists() else {}

    @cached_property
    def test_images(self) -> Images:
        """Test images uint8 [N, H, W, C], memory-mapped."""
        return Prepared(self.sources.prepared).split("test").images

    def guesses(self, cell: Cell) -> NDArray[np.int64] | None:
        """The class that the cell chose for each test image, int64 [N]; -1 where a logit is not finite."""
        path = self.sources.predictions / cell.precision / f"{cell.backend}.npy"
        return predictions(_arrays(path)) if path.exists() else None

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """True classes of the test images, int64 [N]."""
        loaded: NDArray[np.int64] = _arrays(self.sources.predictions / "labels.npy")
        return loaded

    def samples(self, cell: Cell, batch: int) -> dict[str, NDArray[np.float64]]:
        """Raw timings in ms by name (`device_ms`, `end_to_end_ms`, `round_ms`); empty where there are none."""
        path = self.sources.timings / cell.precision / cell.backend / f"batch_{batch}.npz"
        if not path.exists():
            return {}
        samples: dict[str, NDArray[np.float64]] = _arrays(path)
        return samples


def read_evidence(sources: Sources, verdict: Mapping[str, Any]) -> Evidence:
    """Collect the cells of every metrics file that `evaluate` wrote; raises DataError where there is none."""
    contents = {path.stem: read_json(path) for path in sorted(sources.metrics.glob("*.json"))}
    files = {name: content for name, content in contents.items() if has_cells(name, content)}
    if not files:
        raise DataError(
            "there is nothing to report",
            received=f"no metrics of cells in {sources.metrics}",
            expected="fp32.json, fp16.json, int8.json as `evaluate` writes them",
            fix="run `dvc repro evaluate` first",
        )
    cells = [_with_build(cell, contents) for name, content in files.items() for cell in cells_of(name, content)]
    first = next(iter(files.values()))
    return Evidence(
        sources=sources,
        cells=tuple(_in_order(cells)),
        platform=first["platform"],
        platform_ids=tuple(sorted({str(content["platform"].get("id")) for content in files.values()})),
        reference=first.get("reference"),
        method=first.get("method") or {},
        verdict=verdict,
    )


def cells_of(name: str, content: Mapping[str, Any]) -> list[Cell]:
    """Cells of one metrics file: BACKEND → cell, or in a file of several precisions PRECISION → BACKEND → cell."""
    found = []
    for key, value in content.items():
        if key in HEAD or not isinstance(value, Mapping):
            continue
        if "status" in value:
            found.append(Cell(name, key, value))
        else:
            found += [Cell(key, backend, facts) for backend, facts in value.items()]
    return found


def _with_build(cell: Cell, contents: Mapping[str, Any]) -> Cell:
    """The cell with its build time from build-PRECISION.json; older metrics have it in the cell itself."""
    built = contents.get(f"build-{cell.precision}") or {}
    seconds = (built.get(cell.backend) or {}).get("build_s")
    return cell if seconds is None else replace(cell, facts={**cell.facts, "build_s": seconds})


def has_cells(name: str, content: Any) -> bool:
    """Whether NAME.json is one that `evaluate` wrote."""
    return name != "verdict" and isinstance(content, dict) and "platform" in content and "reference" in content


def _in_order(cells: list[Cell]) -> list[Cell]:
    """By backend as they first appear, then from the widest precision to the narrowest, unknown ones last."""
    backends = list(dict.fromkeys(cell.backend for cell in cells))
    ranks = {name: rank for rank, name in enumerate(USUAL_ORDER)}
    return sorted(cells, key=lambda cell: (backends.index(cell.backend), ranks.get(cell.precision, len(ranks))))


def _arrays(path: Path) -> Any:
    """The array of an .npy file, or of an .npz file a dict of arrays float64; DataError where it cannot be read."""
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            return {name: np.asarray(found[name], dtype=np.float64) for name in found.files}
    except BROKEN as error:
        raise DataError(
            f"{path} cannot be read",
            received=f"{type(error).__name__}: {error}",
            expected="a file as `evaluate` writes it",
            fix="run it again: `dvc repro -f evaluate`",
        ) from error


def _csv_rows(path: Path | None) -> list[dict[str, str]]:
    if path is None or not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
