"""Keras or SavedModel → the float32 .tflite file that every LiteRT model starts from, with TensorFlow's converter."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from roundoff.errors import Unavailable
from roundoff.export.layers import walked
from roundoff.export.source import in_float32, keras_on_tensorflow, opened
from roundoff.export.tflite_folder import MODEL, WHY_NONE, describe
from roundoff.results.checked import as_json
from roundoff.results.message import Message, as_message, message
from roundoff.system import own
from roundoff.system.files import whole_directory, write_json
from roundoff.system.held_output import held_back_output
from roundoff.system.memory import give_back_memory
from roundoff.system.said import said
from roundoff.training.trained import read_trained

SERVING = "serving_default"
REFUSED = re.compile(r"^[^A-Za-z0-9.]|[^A-Za-z0-9_.\\/>-]")  # in the names of TensorFlow's scopes
# Where an operator stands, as MLIR says it: its name in TensorFlow's graph, then every function around it
PLACE = re.compile(r'loc\(.*?fused\["[^"]*", "([^"@]*)[^"]*"\].*\): ')


def tflite_from_trained(directory: Path, output: Path) -> None:
    """Write the model that the train stage left in `directory` into the folder `output`, as model.tflite.

    It takes uint8 images and gives float32 logits. Where the converter makes none of it, the folder holds the reason:
    LiteRT's rows will say it, and the other backends go on.
    """
    with tempfile.TemporaryDirectory(prefix="roundoff-tflite-") as scratch:
        tflite_from_saved(saved_from_trained(directory, Path(scratch)), output)


def saved_from_trained(directory: Path, scratch: Path) -> Path | Message:
    """The model that the train stage left in `directory` as a SavedModel, or why there can be none.

    A Keras model is written into `scratch`.
    """
    trained = read_trained(directory)
    if trained.form == "onnx":
        return message("no_keras_but_onnx")
    if trained.form == "saved_model":
        return trained.path
    keras = keras_on_tensorflow()
    if keras.backend.backend() != "tensorflow":
        return message("keras_not_on_tensorflow", backend=keras.backend.backend())
    give_back_memory()  # of what was done before
    network = in_float32(opened(trained.path))
    try:
        with _convertible():
            _write(network, scratch)
    except Unavailable as reason:
        return as_message(reason.args[0])
    return scratch


def _write(network: Any, folder: Path) -> None:
    """Write the Keras model as a SavedModel with each weight once.

    (`Model.export` writes them twice, as Keras' variables and as TensorFlow's.)
    """
    import keras
    import tensorflow as tf

    taken = network.inputs[0]
    archive = keras.export.ExportArchive()
    for layer in walked(network):
        # one without weights may hold a table, which the signature does not bring along
        if isinstance(layer, keras.layers.Layer) and not layer.variables:
            archive.track(layer)
    signature = [tf.TensorSpec(taken.shape, taken.dtype, name=taken.name)]
    _name_for_tensorflow(network)
    archive.add_endpoint(SERVING, functools.partial(network, training=False), signature)
    archive.write_out(folder, verbose=False)


def _name_for_tensorflow(network: Any) -> None:
    """Call layers and their variables, in place, by names that TensorFlow takes: `畳み込み 2` becomes `xxxxx2`."""
    for layer in walked(network):
        layer.name = REFUSED.sub("x", layer.name)
    for variable in network.variables:
        held = variable._value  # TensorFlow's own, which has kept the name that it was made with
        held._handle_name = REFUSED.sub("x", held.name.removesuffix(":0")) + ":0"


def tflite_from_saved(saved: Path | Message, output: Path) -> None:
    """As `tflite_from_trained`, from a SavedModel, or from the reason why there is none.

    In a process that has done nothing else, nothing but the converter holds the weights, of which it takes several
    copies.
    """
    with whole_directory(output, own.tflite) as partial:
        try:
            content = _converted(saved)
        except Unavailable as reason:
            write_json(partial / WHY_NONE, as_json(as_message(reason.args[0])))
        else:
            (partial / MODEL).write_bytes(content)
            describe(partial)


def _converted(saved: Path | Message) -> bytes:
    if isinstance(saved, Message):
        raise Unavailable(saved)
    keras_on_tensorflow()
    # what `tf.lite.TFLiteConverter.from_saved_model` returns, but that loads the whole model first, only to look at it
    from tensorflow.lite.python.lite import TFLiteSavedModelConverterV2

    with _convertible():
        converter = TFLiteSavedModelConverterV2(str(saved), {"serve"}, [SERVING])
        converter.exclude_conversion_metadata = True  # two more copies of the model, for what nobody reads
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
    named = next((line.partition("error: ")[2] for line in lines if "error: " in line), said(error))
    place = PLACE.match(named)
    words = f"{named[place.end() :]} ({place[1]})" if place else named
    return message("not_convertible", words=words)
