"""The Keras model that an export starts from: it fits the data, and it computes in float32."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roundoff.dataset.base import Prepared
from roundoff.errors import ConfigError, DataError, ExportError
from roundoff.export.layers import walked
from roundoff.model.taking.keras_reading import loaded
from roundoff.model.taking.quantized import as_given
from roundoff.model.taking.unloadable import Unloadable
from roundoff.results.preparation import as_manifest
from roundoff.system.keras_import import quiet_keras
from roundoff.system.said import said, telling

if TYPE_CHECKING:
    import keras

# Protobuf's limit for one file, less what a graph takes without its weights.
LARGEST_BYTES = (1 << 31) - (64 << 20)
REDUCED = {"float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"}


def load(source: Path, prepared: Prepared) -> keras.Model:
    """The Keras model in `source`, on TensorFlow, in float32; DataError unless it fits the prepared dataset.

    Raises ExportError for one that cannot be brought to float32 or into one ONNX file.
    """
    keras = keras_on_tensorflow()
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            "Keras runs on a backend that tf2onnx cannot export from",
            received=keras.backend.backend(),
            expected="tensorflow (any backend may train)",
            fix="set KERAS_BACKEND=tensorflow for this process, or leave it unset",
        )
    if not source.is_file():
        raise DataError(
            "There is no Keras model to export", received=source, expected="a .keras file", fix="run the train stage"
        )
    network = in_float32(opened(source))
    _check_interface(network, prepared)
    _check_size(network)
    return network


def keras_on_tensorflow() -> Any:
    """Keras, on TensorFlow unless it is imported already."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    return quiet_keras()


def opened(source: Path) -> keras.Model:
    """The Keras model in `source`; ExportError where it does not load, or does not know its input."""
    try:
        network: keras.Model = loaded(source)
    except Unloadable as error:
        raise ExportError(
            f"{source} does not load as a Keras model",
            received=telling(str(error)),
            expected="a .keras file, functional or sequential, whose custom layers are registered with Keras",
            fix="import the module that registers the layer, or save the model with Keras' own layers, without Lambda",
        ) from error
    if not getattr(network, "inputs", None):
        raise ExportError(
            f"{source} holds a model that does not know its own input",
            received=f"{type(network).__name__}, a subclass of keras.Model",
            expected="a functional or sequential model",
            fix="save keras.Model(image, model(image)) with image = keras.Input(SHAPE, dtype='uint8') instead",
        )
    return network


def in_float32(network: keras.Model) -> keras.Model:
    """The model itself, or, where layers compute in another float type, the same under float32 policies.

    Under Keras' mixed policies variables are float32 already: what changes is the type that layers compute in.
    Raises ExportError where Keras cannot build the model anew, or has quantized it.
    """
    _refuse_quantized(network)
    config = network.get_config()
    plain = _with_float32(config)
    if plain == config:
        return network
    try:
        rebuilt: keras.Model = type(network).from_config(plain)
        for variable, trained in zip(rebuilt.variables, network.variables, strict=True):
            variable.assign(trained)
    except Exception as error:  # Keras raises whatever the layers do
        raise ExportError(
            "The model cannot be rebuilt in float32",
            received=said(error),
            expected="layers that `from_config` builds under any dtype policy",
            fix="build it under the float32 policy, take over its weights (set_weights), and save that model",
        ) from error
    return rebuilt


def _with_float32(value: Any) -> Any:
    """A Keras configuration with each dtype policy, however deep, replaced by float32."""
    if isinstance(value, dict):
        return {
            key: "float32" if key == "dtype" and _is_reduced(item) else _with_float32(item)
            for key, item in value.items()
        }
    if type(value) in (list, tuple):
        return type(value)(_with_float32(item) for item in value)
    return value


def _is_reduced(dtype: Any) -> bool:
    if not isinstance(dtype, dict):
        return isinstance(dtype, str) and dtype in REDUCED
    config = dtype.get("config") or {}
    policies = [policy.get("config", {}).get("name") for policy in (config.get("policy_map") or {}).values()]
    return not {config.get("name"), *policies}.isdisjoint(REDUCED)


def _refuse_quantized(network: keras.Model) -> None:
    for layer, name in walked(network).items():
        if mode := getattr(layer, "quantization_mode", None):
            raise ExportError(
                "Keras has quantized the model already",
                received=f"the layer {name} in {mode}",
                expected="layers in a float type: roundoff quantizes by itself, from calibration images",
                fix="give the model as it was before `quantize`; an ONNX graph or a .tflite file that is quantized is "
                f"judged beside it by {as_given()}",
            )


def _check_interface(network: keras.Model, prepared: Prepared) -> None:
    manifest = as_manifest(prepared.manifest)
    wanted = [("uint8", (None, *manifest.shape))], [(None, len(manifest.classes))]
    interface = (
        [(tensor.dtype, tuple(tensor.shape)) for tensor in network.inputs],
        [tuple(tensor.shape) for tensor in network.outputs],
    )
    if interface != wanted:
        raise DataError(
            "The Keras model does not fit the prepared dataset",
            received=f"inputs {interface[0]}, outputs {interface[1]}",
            expected=f"inputs {wanted[0]}, outputs {wanted[1]}",
            fix="train the model on this dataset, with its preprocessing in the graph",
        )


def _check_size(network: keras.Model) -> None:
    size = sum(4 * math.prod(variable.shape) for variable in network.weights)
    if size > LARGEST_BYTES:
        raise ExportError(
            "The model is too large for one ONNX file",
            received=f"{size / 1e9:.2f} GB of weights",
            expected=f"at most {LARGEST_BYTES / 1e9:.2f} GB, the limit of its format",
            fix="use a narrower or a shallower model",
        )
