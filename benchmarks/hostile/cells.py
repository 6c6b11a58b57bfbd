"""Built cells and their sidecars, as evaluate finds and loads them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks.hostile.case import Case, same
from benchmarks.hostile.tampering import (
    Tampered,
    broken_bytes,
    broken_json,
    changed,
    found,
    mirrored,
    tampered_cases,
    wrong_values,
)

ENGINES = "models/engines"
CELLS = {"int8/onnxruntime": "model.onnx", "int8/litert": "model.tflite"}
EXCHANGED = (
    ("int8/onnxruntime", "fp32/onnxruntime"),
    ("fp32/onnxruntime", "int8/onnxruntime"),
    ("fp16/litert", "int8/litert"),
    ("int8/litert", "fp32/litert"),
    ("fp32/onnxruntime", "fp32/litert"),
    ("int8/litert", "int8/onnxruntime"),
)
IMAGES = 32


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Sidecars and artifacts that were tampered with, and folders in each other's place."""
    for name, artifact in CELLS.items():
        use = partial(answers, name)
        untouched, file = use(project), f"{ENGINES}/{name}/cell.json"
        good = (project / file).read_bytes()
        told = json.loads(good)
        contents = [*broken_json(good, random), *wrong_values(told, random, 60), *impossible(told, artifact)]
        yield from tampered_cases(project, file, iter(contents), use, untouched)
        engine = f"{ENGINES}/{name}/{artifact}"
        damaged = broken_bytes((project / engine).read_bytes(), random)
        yield from tampered_cases(project, engine, damaged, use, untouched)
    for source, place in EXCHANGED:
        yield Case(f"{ENGINES}/{place}", f"the folder of {source}", partial(_exchanged, project, source, place))
    yield Case(f"{ENGINES}/int8", "a folder more", partial(_more, project), same(answers("int8/onnxruntime", project)))


def answers(name: str, folder: Path) -> object:
    """Find the cells as evaluate does, load one of them, and run it; what a cell's row would say is raised."""
    from roundoff.backend.onnxrt.backend import OnnxRuntime
    from roundoff.backend.tflite.backend import LiteRT
    from roundoff.cells.cell import find_cells
    from roundoff.errors import Unavailable
    from roundoff.precision.bf16 import Bf16
    from roundoff.precision.fp16 import Fp16
    from roundoff.precision.fp32 import Fp32
    from roundoff.precision.int8 import Int8
    from roundoff.results.platform import read_platform

    precisions = {"fp32": Fp32(), "fp16": Fp16(), "int8": Int8(), "bf16": Bf16()}
    backends = {"onnxruntime": OnnxRuntime(threads=1), "litert": LiteRT(threads=1)}
    cells = {cell.name: cell for cell in find_cells(found(folder, ENGINES), precisions, backends)}
    cell = cells[name]
    if not cell.built.measured:
        raise Unavailable(f"{cell.built.reason or ''} {cell.built.detail or ''}".strip())
    images = np.load(folder / "data/prepared/test_images.npy")[:IMAGES]
    with cell.open(read_platform(found(folder, "platform.json"))) as runner:
        return [runner.infer(images), len(cell.builds), cell.built.size_mb, cell.built.ranges, cell.built.weights]


def impossible(told: dict[str, Any], artifact: str) -> Iterator[Tampered]:
    """Sidecars that no build writes."""
    files = told["files"]
    yield changed(told, ["files"], {})
    yield changed(told, ["files", artifact], "gone")
    yield changed(told, ["files", artifact, "sha256"], "0" * 64)
    yield changed(told, ["files", artifact, "sha256"], "")
    yield changed(told, ["files", artifact, "bytes"], files[artifact]["bytes"] + 1)
    yield changed(told, ["files", artifact, "bytes"], -1)
    for name in ("../../../platform.json", "/etc/passwd", "no such file", ".", ""):
        yield changed(told, ["files", name], {"sha256": "0" * 64, "bytes": 1})
    for status in ("failed", "unavailable", "measured", ""):
        yield changed(told, ["status"], status)
    for name in ("fp32", "../int8", "", "INT8"):
        yield changed(told, ["precision", "name"], name)
    for name in ("tensorrt", "../onnxruntime", ""):
        yield changed(told, ["backend", "name"], name)
    yield changed(told, ["build_info"], None)
    yield changed(told, ["size_mb"], -1.0)
    yield changed(told, ["size_mb"], 1e9)
    yield changed(told, ["size_mb"], None)
    yield changed(told, ["builds"], {"count": 1, "different": 7})
    yield changed(told, ["builds"], {"count": 0, "different": 0})
    yield changed(told, ["ranges"], "both")
    for version in (1, 2, 4, "3", 3.5, None):
        yield changed(told, ["format"], version)


def _exchanged(project: Path, source: str, place: str, folder: Path) -> object:
    mirrored(project, folder)
    shutil.rmtree(folder / ENGINES / place)
    shutil.copytree(project / ENGINES / source, folder / ENGINES / place)
    return answers(place, folder)


def _more(project: Path, folder: Path) -> object:
    mirrored(project, folder)
    (folder / ENGINES / "int8/onnxruntime/rebuilds/not a number").mkdir(parents=True)
    return answers("int8/onnxruntime", folder)
