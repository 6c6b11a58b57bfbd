"""A model that is quantized already is no model to begin with: it is judged beside the others, as `given`."""

from __future__ import annotations

from pathlib import Path

from roundoff.errors import DataError


def quantized_already(path: Path | str, received: str) -> DataError:
    """The error of a quantized graph that is given as `model`."""
    return DataError(
        f"{path} is quantized already",
        received=received,
        expected="a model in float32: roundoff makes the other precisions from it, and judges them against it",
        fix="give the float model that this one was made from as model.path; "
        f"this one is judged beside it by {as_given(path)}",
    )


def as_given(path: Path | str = "PATH") -> str:
    """The settings by which a quantized ONNX graph or .tflite file is judged beside what is made here."""
    return f"precision=[fp32,fp16,int8,given] given.given.path={path}"


def refuse_tflite(path: Path) -> None:
    """DataError for a .tflite file, which is converted from another model, mostly to quantize it."""
    if path.suffix == ".tflite":
        raise DataError(
            f"{path} is a LiteRT model",
            received="a .tflite file",
            expected="the model that it was converted from: roundoff converts it itself",
            fix="give that model by model=keras_file or model=onnx_file; "
            f"if this one is quantized, it is judged beside it by {as_given(path)}",
        )
