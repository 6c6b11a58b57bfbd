"""A row for each network of the zoo: do effects add, what does measuring cost, what do orders cost, false claims."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sensitivity.graphs import Case, case_of
from benchmarks.sensitivity.orders import GRID, INT8, Race
from roundoff.dataset.base import Prepared
from roundoff.dataset.preparing.duplicated import image_hash
from roundoff.results.sensitivity import Whole
from roundoff.sensitivity.answers import Differences, Reference, differences
from roundoff.sensitivity.intervals import clearly_larger, ranks
from roundoff.sensitivity.measure import all_reads
from roundoff.sensitivity.sources import parts_of
from roundoff.system.files import sha256_of

SHUFFLES = 100

Row = dict[str, Any]


def rows(names: list[str], data: Path, work: Path, python: str | None, known: list[Row], code: str) -> Iterator[Row]:
    """Rows as they get done; those of the same graph and code are taken from `known`."""
    for name in names:
        case = case_of(name, data, work)
        told = {"kind": "network", "network": name, "graph_sha256": sha256_of(case.path), "code_sha256": code}
        row = next((row for row in known if told.items() <= row.items()), None)
        yield row or {**told, **_row(case, work, python)}


def _row(case: Case, work: Path, python: str | None) -> Row:
    model = case.model
    parts = parts_of(INT8.float_graph(model, GRID), INT8.with_pairs(model, GRID, case.table))
    versions = [source.reads for source in parts.sources]
    once = _cpu_seconds(lambda: Reference(model, case.choosing).exact)
    found, spent = _timed(lambda: differences(parts.model, {}, [*versions, all_reads(parts.sources)], case.choosing))
    single, whole = found.of(range(len(versions))), found.of([len(versions)])
    root = float(np.sqrt((single.errors**2).sum()))
    return {
        "sources": len(versions),
        "images": len(case.choosing),
        "error": float(whole.errors[0]),
        "root_sum_squares": root,
        "adds": Whole(error=float(whole.errors[0]), root_sum_squares=root).adds,
        "passes_per_half": (spent["cpu"] / once) / (len(versions) / 2),
        "seconds": spent["seconds"],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "test_images_used": _test_images(case, work),
        "false_claims": false_claims(single, SHUFFLES),
        "orders": Race(case).result(python),
    }


def false_claims(found: Differences, shuffles: int) -> dict[str, float]:
    """Labels of sources permuted within each image: how often one is called the worst, and any two told apart."""
    worst = anything = 0
    for seed in range(shuffles):
        shuffled = np.random.default_rng(seed).permuted(found.squares, axis=1)
        worst += any(rank.high == 1 for rank in ranks(shuffled))
        anything += bool(clearly_larger(shuffled).any())
    return {"shuffles": shuffles, "worst": worst / shuffles, "any": anything / shuffles}


def _test_images(case: Case, work: Path) -> int:
    """How many of the images that chose or verified are in the test split, by their pixels."""
    size = case.choosing.shape[1]
    test = {image_hash(image) for image in Prepared(work / f"prepared_{size}").split("test").images}
    return sum(image_hash(image) in test for part in (case.choosing, case.verifying) for image in part)


def _timed(work: Any) -> tuple[Differences, dict[str, float]]:
    started, before = time.perf_counter(), time.process_time()
    found = work()
    return found, {"seconds": time.perf_counter() - started, "cpu": time.process_time() - before}


def _cpu_seconds(work: Any) -> float:
    """Of one pass of the FP32 graph over the images; the median of three."""
    return float(np.median([_timed(work)[1]["cpu"] for _ in range(3)]))


def code_of(folder: Path, source: Path) -> str:
    """The hash of what decides what stands in a row."""
    files = [*sorted(folder.glob("*.py")), *sorted((source / "sensitivity").glob("*.py"))]
    measured = [path for path in files if path.stem not in ("targets", "tables", "__main__")]
    return hashlib.sha256("".join(sha256_of(path) for path in measured).encode()).hexdigest()
