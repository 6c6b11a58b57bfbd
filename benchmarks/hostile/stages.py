"""Hostile files and settings given to whole stages, each in a process of its own, as DVC starts them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks.commands import ROOT
from benchmarks.hostile.arrays import npy, pickled_npy, unpickled
from benchmarks.hostile.case import Case, Lost
from benchmarks.hostile.tampering import Anything, Content, changed, mirrored, replaced
from benchmarks.process import ran

OF_A_RUN = ("data", "models", "metrics", "build", "params.yaml", "platform.json")
Make = Callable[[bytes], Anything]


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """What every reader of a stage must refuse."""
    for stage, file, tampers in FILES:
        for how, make in tampers.items():
            yield Case(file, f"{stage}: {how}", partial(_of_file, project, stage, file, make))
    for stage in ("probe", "prepare", "train", "export", "calibrate", "build build.precision=fp32", "evaluate"):
        make = partial(_replaced, "epochs", "epoch")
        yield Case("params.yaml", f"{stage}: a key more", partial(_of_file, project, stage, "params.yaml", make))
    for stage, file in SPECIAL:
        for how, make in NO_FILES.items():
            yield Case(file, f"{stage}: {how}", partial(_of_file, project, stage, file, make))
    for words in OVERRIDES:
        yield Case("a command line", words, partial(_stage, project, words))


def _of_file(project: Path, stage: str, file: str, make: Make, folder: Path) -> object:
    content = make((project / file).read_bytes())
    return _stage(project, stage, folder, {file: content})


def _stage(project: Path, words: str, folder: Path, contents: dict[str, Anything] | None = None) -> object:
    """Run a stage on a run that holds other contents; what it printed.

    Raises SystemExit with its words where it ended with another code than 0, Lost where a file of the run is gone.
    """
    for name in OF_A_RUN:
        if (project / name).is_dir():
            (folder / name).mkdir()
            mirrored(project / name, folder / name)
        else:
            (folder / name).symlink_to(project / name)
    for file, content in (contents or {}).items():
        replaced(folder, file, content)
    before = _files(folder)
    name, *more = words.split()
    done = ran(str(ROOT / "stages" / f"{name}.py"), "-cn", "frozen", *more, folder=folder)
    lost = before - _files(folder)
    if lost:
        raise Lost(f"lost: {', '.join(sorted(lost)[:5])}")
    if unpickled(folder):
        raise Lost("something was unpickled")
    if done.code == 0:
        return done.output
    said = done.errors[done.errors.rfind("error: ") :] if "Traceback" not in done.errors else done.errors[-1500:]
    raise SystemExit(said)


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _replaced(old: str, new: str, good: bytes) -> bytes:
    return good.replace(old.encode(), new.encode(), 1)


def _set(*place: str | int, value: Any) -> Make:
    return lambda good: changed(json.loads(good), place, value)[1]


def _range(key: str, value: float | str) -> Make:
    def make(good: bytes) -> Content:
        table = json.loads(good)
        return changed(table, ["ranges", next(iter(table["ranges"])), key], value)[1]

    return make


def _array(change: Callable[[Any], Any]) -> Make:
    def make(good: bytes) -> Content:
        import io

        return npy(change(np.load(io.BytesIO(good))))

    return make


def _bit_turned(good: bytes) -> Content:
    place = len(good) // 2  # among the weights
    return good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]


def _pickled(_: bytes) -> Content:
    return pickled_npy()


CUT: dict[str, Make] = {
    "cut": lambda good: good[: len(good) // 2],
    "empty": lambda _: b"",
    "zeros": lambda good: bytes(len(good)),
}
NO_FILES: dict[str, Make] = {
    "a pipe": lambda _: os.mkfifo,
    "a device": lambda _: lambda path: path.symlink_to("/dev/zero"),
}
JSON: dict[str, Make] = CUT | {"brackets": lambda _: b"[" * 100_000, "a list": lambda _: b"[]"}
ACCURACY = ("onnxruntime", "accuracy")
FILES: tuple[tuple[str, str, dict[str, Make]], ...] = (
    (
        "report",
        "metrics/int8.json",
        JSON
        | {
            "top1 1.5": _set(*ACCURACY, "top1", value=1.5),
            "top1 NaN": _set(*ACCURACY, "top1", value=float("nan")),
            "correct beyond samples": _set(*ACCURACY, "correct", value=10**6),
            "a negative time": _set("onnxruntime", "batch_1", "device_p50_ms", value=-1.0),
            "no accuracy": _set(*ACCURACY, value=None),
            "format 99": _set("format", value=99),
        },
    ),
    ("report", "data/predictions/labels.npy", CUT | {"pickled": _pickled, "a row less": _array(lambda a: a[:-1])}),
    ("report", "data/predictions/int8/onnxruntime.npy", {"NaN": _array(lambda a: a * np.nan), "pickled": _pickled}),
    ("report", "metrics/noise.csv", {"text": lambda good: good.replace(b".", b"x"), "no UTF-8": lambda _: b"\xff\xfe"}),
    (
        "build build.precision=int8 build.strict=true",
        "models/calibration/table.json",
        JSON
        | {
            "high NaN": _range("high", float("nan")),
            "high beyond what was seen": _range("high", 1e6),
            "high below low": _range("high", -1e6),
            "another model": _set("provenance", "model_sha256", value="0" * 64),
        },
    ),
    ("build build.precision=fp32", "models/onnx/model.onnx", CUT),
    ("build build.precision=fp32", "platform.json", {"cut": CUT["cut"], "cores": _set("cpu", "cores", value=-1)}),
    ("build build.precision=fp32", "models/trained/model.json", {"cut": CUT["cut"], "form": _set("form", value="x")}),
    ("calibrate", "models/onnx/model.onnx", {"a bit turned": _bit_turned}),
    ("calibrate", "data/prepared/manifest.json", {"no hashes": _set("hashes", value={}), "cut": CUT["cut"]}),
    ("calibrate", "data/prepared/train_images.npy", CUT | {"pickled": _pickled, "floats": _array(lambda a: a * 1.0)}),
    ("evaluate", "data/prepared/test_labels.npy", CUT | {"pickled": _pickled, "flat": _array(lambda a: a[:, None])}),
    ("evaluate", "data/prepared/test_images.npy", {"another pixel": _array(lambda a: a ^ 1)}),
    ("evaluate", "platform.json", {"empty": CUT["empty"]}),
    ("export", "models/trained/model.keras", {"cut": CUT["cut"]}),
)
SPECIAL = (
    ("probe", "params.yaml"),
    ("export", "models/trained/model.keras"),
    ("calibrate", "data/prepared/manifest.json"),
    ("build build.precision=fp32", "models/onnx/model.onnx"),
    ("build build.precision=int8", "models/calibration/table.json"),
    ("evaluate", "models/engines/int8/onnxruntime/cell.json"),
    ("evaluate", "platform.json"),
    ("report", "metrics/int8.json"),
    ("report", "metrics/noise.csv"),
    ("report", "data/predictions/labels.npy"),
)
OVERRIDES = ("probe seed=-1", "prepare dataset.size=0", "report report.language=fr", "calibrate +nothing=1")
