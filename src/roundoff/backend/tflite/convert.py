"""LiteRT models from Keras models, with TensorFlow's converter."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.backend.base import Source
from roundoff.dataset.base import Images
from roundoff.errors import BuildError, Unavailable
from roundoff.export.source import in_float32
from roundoff.results.message import message
from roundoff.system.progress import track


def tflite_from_keras(source: Source) -> bytes:
    """The Keras model as a LiteRT model in the source's precision: uint8 images in, float32 logits out.

    Raises Unavailable without TensorFlow, BuildError if Keras runs on another backend or the converter fails.
    """
    keras, tf = keras_on_tensorflow()
    converter = _converter(keras, tf, source.keras)
    recipes: dict[str, Callable[[], None]] = {
        "float32": lambda: None,
        "float16": lambda: halve(tf, converter),
        "int8": lambda: quantize(tf, converter, source.calibration),
    }
    recipes[source.precision.weights]()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the converter prints the model's signature
            converted: bytes = converter.convert()
    except Exception as error:
        raise BuildError(
            f"LiteRT's converter cannot make the {source.name} model",
            received=f"{source.keras}: {error}",
            expected="a Keras model of layers that LiteRT has kernels for",
            fix="replace the layer that the message names, or leave out the backend litert",
        ) from error
    return converted


def _converter(keras: Any, tf: Any, model: Path | None) -> Any:
    if model is not None and model.is_dir():
        return tf.lite.TFLiteConverter.from_saved_model(str(model))
    return tf.lite.TFLiteConverter.from_keras_model(in_float32(keras.models.load_model(model, compile=False)))


def keras_on_tensorflow() -> tuple[Any, Any]:
    """The modules keras and tensorflow; raises Unavailable or BuildError where they cannot work together."""
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise Unavailable(message("no_tensorflow", words=str(error))) from error
    if keras.backend.backend() != "tensorflow":
        raise BuildError(
            "LiteRT's converter reads Keras models on TensorFlow only",
            received=f"Keras on {keras.backend.backend()}",
            expected="Keras on tensorflow",
            fix="run this stage with KERAS_BACKEND=tensorflow; the model may have been trained on any backend",
        )
    return keras, tf


def halve(tf: Any, converter: Any) -> None:
    """Have weights stored in float16."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def quantize(tf: Any, converter: Any, images: Images) -> None:
    """Have every layer in int8, with ranges from `images` uint8 [N, H, W, C]."""

    def representative() -> Iterator[list[Images]]:
        for image in track(images, "litert int8", len(images)):
            yield [np.array(image)[None]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
