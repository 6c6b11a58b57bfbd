"""The families of hostile inputs, each a module with `cases`, and a worker that tries the cases of one."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import numpy as np

from benchmarks.hostile.case import Case, tried

SEED = 20
FAMILIES = {
    "prepared": "prepared images, labels and their manifest",
    "trained": "trained models: Keras, ONNX, SavedModel, and model.json",
    "graphs": "ONNX graphs and the float .tflite file, before they are built",
    "calibration": "the calibration table and TensorRT's cache of it",
    "cells": "built cells and their sidecars, also in each other's place",
    "evaluated": "predictions, labels and raw timings",
    "metrics": "metrics, curves, noise and platform.json, as the report and the gate read them",
    "revisions": "dvc.lock and metrics of other commits",
    "settings": "settings, as overrides and in params.yaml",
    "commands": "what the command line is given: shipped folders, runs to ship, settings, conf/ and dvc.yaml",
    "system": "what the operating system refuses while files are read and written",
    "images": "folders and zips of images, and the images in them",
    "stages": "all of these, in whole stages",
}
"""Modules of this folder by name, and what they tamper with.

Each has `cases(project, random)`, which yields a `Case` each, the same in the same order each time; `project` is the
folder of a finished small run, which no case may change.
"""


def cases_of(family: str, project: Path, scale: float) -> list[Case]:
    """The cases of a family, or with `scale` below 1 that share of them, from all over."""
    random = np.random.default_rng((SEED, zlib.crc32(family.encode())))
    found: Iterator[Case] = import_module(f"benchmarks.hostile.{family}").cases(project, random)
    every = list(found)
    step = max(1, round(1 / scale))
    return every[::step]


def main(family: str, project: Path, scale: float, first: int) -> None:
    """Try the cases from number `first` on; print a line of JSON as one begins, and one with what became of it.

    What libraries print goes to standard error.
    """
    with os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8") as out:
        os.dup2(2, 1)
        every = cases_of(family, project, scale)
        print(json.dumps({"cases": len(every)}), file=out)
        for number, case in enumerate(every[first:], first):
            print(json.dumps({"number": number, "file": case.file, "how": case.how}), file=out)
            with tempfile.TemporaryDirectory(prefix="roundoff-hostile-", ignore_cleanup_errors=True) as folder:
                print(json.dumps(asdict(tried(case, Path(folder)))), file=out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
