"""Whether an ONNX graph is made for the prepared images: stages started by hand may be given what belongs to others."""

from __future__ import annotations

from pathlib import Path

import onnx

from roundoff.dataset.base import Prepared
from roundoff.errors import DataError
from roundoff.graph.reading import read_graph
from roundoff.results.preparation import as_manifest


def require_fit(graph: Path, prepared: Prepared, stage: str = "export") -> None:
    """DataError unless the graph that `stage` wrote takes images of the prepared size and answers with as many classes.

    A dimension that the graph leaves open fits any.
    """
    opened = read_graph(graph, stage).graph
    manifest = as_manifest(prepared.manifest)
    images, classes = tuple(manifest.shape), (len(manifest.classes),)
    (batch, *taken), answered = _shape(opened.input[0]) or (None,), _shape(opened.output[0])[1:]
    if batch is not None:
        raise DataError(
            f"{graph} takes batches of one size alone",
            received=f"a graph of {batch} images",
            expected="an open first dimension, since several batch sizes are timed",
            fix=f"run the stage that writes it again: `dvc repro -f {stage}`",
        )
    if _fits(tuple(taken), images) and _fits(answered, classes):
        return
    raise DataError(
        f"{graph} does not fit the images in {prepared.directory}",
        received=f"a graph from {_words(tuple(taken))} to {_words(answered)}",
        expected=f"one from {_words(images)} to {_words(classes)}, as prepared (height, width, channels; classes)",
        fix="run the stages from export on for these images (`dvc repro`), or prepare the images that the graph is for",
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(size.dim_value if size.HasField("dim_value") else None for size in value.type.tensor_type.shape.dim)


def _fits(shape: tuple[int | None, ...], wanted: tuple[int, ...]) -> bool:
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(size in (None, expected) for size, expected in pairs)


def _words(shape: tuple[int | None, ...]) -> str:
    return " × ".join("any" if size is None else str(size) for size in shape)
