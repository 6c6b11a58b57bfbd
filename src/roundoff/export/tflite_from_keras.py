"""Keras or SavedModel → the float32 .tflite file that every LiteRT model starts from, with TensorFlow's converter."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roundoff.errors import Unavailable
from roundoff.export.layers import walked
from roundoff.export.source import first_line, in_float32, keras_on_tensorflow
from roundoff.export.tflite_folder import MODEL, WHY_NONE
from roundoff.results.checked import as_json
from roundoff.results.message import Message, as_message, message
from roundoff.system import own
from roundoff.system.files import whole_directory, write_json
from roundoff.system.held_output import held_back_output
from roundoff.system.memory import give_back_memory
from roundoff.training.trained import Trained, read_trained

SERVING = "serving_default"


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
    """The model as a float32 .tflite file; raises Unavailable, with a message, where there can be none.

    A Keras model is written as a SavedModel first and let go: the converter, which itself takes several times the
    weights, then reads them from a file, and nothing else holds them.
    """
    if trained.form == "onnx":
        raise Unavailable(message("no_keras_but_onnx"))
    keras = keras_on_tensorflow()
    if trained.path.is_dir():
        return _from_saved(trained.path)
    if keras.backend.backend() != "tensorflow":
        raise Unavailable(message("keras_not_on_tensorflow", backend=keras.backend.backend()))
    with tempfile.TemporaryDirectory(prefix="roundoff-tflite-") as directory:
        _write_saved(trained.path, Path(directory))
        return _from_saved(Path(directory))


def _write_saved(source: Path, directory: Path) -> None:
    """Write the Keras model as a SavedModel with each weight once.

    (`Model.export` writes them twice, as Keras' variables and as TensorFlow's.)
    """
    import keras
    import tensorflow as tf

    network = in_float32(keras.models.load_model(source, compile=False, safe_mode=True))
    taken = network.inputs[0]
    with _convertible():
        archive = keras.export.ExportArchive()
        for layer in walked(network):
            if not layer.variables:  # it may hold a table, which the signature does not bring along
                archive.track(layer)
        signature = [tf.TensorSpec(taken.shape, taken.dtype, name=taken.name)]
        archive.add_endpoint(SERVING, functools.partial(network, training=False), signature)
        archive.write_out(directory, verbose=False)


def _from_saved(directory: Path) -> bytes:
    import tensorflow as tf

    with _convertible():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(directory))
        converter.exclude_conversion_metadata = True  # two more copies of the model, for what nobody reads
        give_back_memory()  # of the weights: it has looked at them, and reads the file again
        content: bytes = converter.convert()
    return content


@contextmanager
def _convertible() -> Iterator[None]:
    """Unavailable for whatever TensorFlow raises inside; what it prints is held back."""
    reason = None
    with held_back_output():
        try:
            yield
        except Exception as error:  # it raises what its passes do
            reason = not_convertible(error)
    if reason:
        raise Unavailable(reason)


def not_convertible(error: Exception) -> Message:
    """The reason for a row, with the operator that has no kernel where the converter names it."""
    lines = [line.strip() for line in str(error).splitlines()]
    named = next((line.partition("error: ")[2] for line in lines if "error: " in line), first_line(error))
    return message("not_convertible", words=named)
