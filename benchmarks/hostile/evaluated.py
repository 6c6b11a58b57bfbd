"""Predictions, labels and raw timings, as the report reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from numpy.random import Generator

from benchmarks.hostile.arrays import broken_npy, broken_npz, unpickled
from benchmarks.hostile.case import Case, Lost
from benchmarks.hostile.reporting import reported
from benchmarks.hostile.tampering import tampered_cases

CELLS = ("fp32/onnxruntime", "int8/onnxruntime", "fp16/litert")


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Answers and times, tampered with."""
    untouched = report(project)
    for name in ("labels", *CELLS):
        file = f"data/predictions/{name}.npy"
        contents = broken_npy((project / file).read_bytes(), random)
        # what is missing is said on the page
        there = (pair for pair in contents if pair[1] is not None or name == "labels")
        yield from tampered_cases(project, file, there, report, untouched)
    other = (project / "data/predictions/int8/onnxruntime.npy").read_bytes()
    exchanged = iter([("another cell's answers", other)])
    yield from tampered_cases(project, "data/predictions/fp32/onnxruntime.npy", exchanged, report, untouched)
    for name in CELLS[:2]:
        file = f"data/timings/{name}/batch_4.npz"
        contents = broken_npz((project / file).read_bytes(), random)
        there = (pair for pair in contents if pair[1] is not None)
        yield from tampered_cases(project, file, there, report, untouched)


def report(folder: Path) -> str:
    """The report's text."""
    text = reported(folder)
    if unpickled(folder):
        raise Lost("something was unpickled")
    return text
