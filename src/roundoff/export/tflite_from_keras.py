"""Keras or SavedModel → the float32 .tflite file that every LiteRT model starts from, with TensorFlow's converter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from roundoff.errors import Unavailable
from roundoff.export.source import first_line, in_float32
from roundoff.export.tflite_folder import MODEL, WHY_NONE
from roundoff.results.checked import as_json
from roundoff.results.message import Message, as_message, message
from roundoff.system import own
from roundoff.system.files import whole_directory, write_json
from roundoff.system.held_output import held_back_output
from roundoff.system.keras_import import quiet_keras
from roundoff.training.trained import Trained, read_trained


def tflite_from_trained(directory: Path, output: Path) -> None:
    """Write the model that the train stage left in `directory` into the folder `output`, as model.tflite.

    It takes uint8 images and gives float32 logits. Where the converter makes none of it, the folder holds the reason:
    LiteRT's rows will say it, and the other backends go on.
    """
    with whole_directory(output, own.tflite) as partial:
        try:
            content = converted(read_trained(directory))
        except Unavailable as reason:
            write_json(partial / WHY_NONE, as_json(as_message(reason.args[0])))
        else:
            (partial / MODEL).write_bytes(content)


def converted(trained: Trained) -> bytes:
    """The model as a float32 .tflite file; raises Unavailable, with a message, where there can be none."""
    if trained.form == "onnx":
        raise Unavailable(message("no_keras_but_onnx"))
    converter, reason = _converter(trained.path), message("no_tflite")
    with held_back_output():  # the converter prints the model's signature
        try:
            content: bytes = converter.convert()
        except Exception as error:  # it raises what its passes do
            reason = not_convertible(error)
        else:
            return content
    raise Unavailable(reason)


def not_convertible(error: Exception) -> Message:
    """The reason for a row, with the operator that has no kernel where the converter names it."""
    lines = [line.strip() for line in str(error).splitlines()]
    named = next((line.partition("error: ")[2] for line in lines if "error: " in line), first_line(error))
    return message("not_convertible", words=named)


def _converter(model: Path) -> Any:
    keras = quiet_keras()
    import tensorflow as tf

    if model.is_dir():
        return tf.lite.TFLiteConverter.from_saved_model(str(model))
    if keras.backend.backend() != "tensorflow":
        raise Unavailable(message("keras_not_on_tensorflow", backend=keras.backend.backend()))
    network = in_float32(keras.models.load_model(model, compile=False, safe_mode=True))
    return tf.lite.TFLiteConverter.from_keras_model(network)
