"""A graph that another tool has quantized, made fit for the dataset: uint8 images in, float32 logits out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roundoff.errors import ConfigError, DataError
from roundoff.export.given_feeding import Beside
from roundoff.precision.given import Given

SETTING = re.compile(r"\bmodel\.(path|scale|offset|mean|std|channel_order|classes|output|layout)\b")


def write_fit(given: Given, at: Beside, key: str, directory: Path) -> Path:
    """The graph in `directory`, under its own name; `key` is where the configuration describes it.

    Raises ConfigError or DataError where it is not quantized, not as `given` says, or not for the dataset.
    """
    path = Path(given.path)
    given.require_file(key)
    with _told_of(key):
        if path.suffix == ".tflite":
            from roundoff.export.given_tflite import fit_tflite

            content = fit_tflite(given, at, key)
        else:
            from roundoff.export.given_onnx import fit_onnx

            content = fit_onnx(given, at, key).SerializeToString(deterministic=True)
    written = directory / path.name
    written.write_bytes(content)
    return written


@contextmanager
def _told_of(key: str) -> Iterator[None]:
    """What is said of settings of `model` is said of those at `key`."""
    try:
        yield
    except (ConfigError, DataError) as error:
        words = (SETTING.sub(rf"{key}.\1", str(each)) for each in (error.received, error.expected, error.fix))
        received, expected, fix = words
        what = SETTING.sub(rf"{key}.\1", str(error.what))
        raise type(error)(what, received=received, expected=expected, fix=fix) from error
