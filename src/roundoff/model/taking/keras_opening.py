"""From a Keras file to a network that fits the dataset, its preprocessing still open."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roundoff.errors import ConfigError, DataError
from roundoff.model.taking.classes import class_names, columns
from roundoff.model.taking.fitting import chosen_output, require_images
from roundoff.model.taking.independence import require_independent
from roundoff.model.taking.keras_batch import with_open_batch
from roundoff.model.taking.keras_reading import loaded
from roundoff.model.taking.keras_two import CHANGED
from roundoff.model.taking.keras_wrapping import without_softmax
from roundoff.model.taking.quantized import as_given, quantized_already, refuse_tflite
from roundoff.model.taking.unloadable import Unloadable
from roundoff.system.said import telling

if TYPE_CHECKING:
    from roundoff.model.base import TakenModel

UNKNOWN_CLASS = re.compile(r"(?:Could not locate class|Unknown layer:?|Could not deserialize class) '?(?:\w+>)?(\w+)'?")
FUNCTIONS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")  # of Keras 2
UNBUILT = re.compile(r"Error when deserializing class '(\w+)' using config=\{'name': '([^']*)'")
CODE = re.compile("Lambda|unsafe deserialization|safe_mode|arbitrary code", re.IGNORECASE)


def opened(
    source: TakenModel, shape: tuple[int, int, int], classes: Sequence[str]
) -> tuple[Any, int, tuple[int, int, int], tuple[int, ...], str | None]:
    """The network, which of its outputs, the images' shape, the answers that stay, and the softmax that was removed.

    See `TakenModel.open` for what it raises.
    """
    path = Path(source.path)
    network = _loaded(path)
    _require_one_image(path, network, shape)
    network = with_open_batch(path, network)
    source.preprocessing.require_fit(shape[2], network.inputs[0].dtype == "uint8")
    output = _chosen(path, network, source.output)
    network, removed = without_softmax(network, output)
    count = answers(path, tuple(network.outputs[output].shape))
    require_independent(path, _asked(network, output), shape, network.inputs[0].dtype == "uint8")
    chosen = columns(2 if count == 1 else count, classes, class_names(source.classes))
    return network, output, shape, chosen, removed


def _loaded(path: Path) -> Any:
    from roundoff.system.keras_import import quiet_keras

    if not path.is_file():
        raise ConfigError(
            "model.path names no file",
            received=path,
            expected="a .keras or .h5 file, or a SavedModel's folder",
            fix="set model.path=PATH, absolute, since experiments run in a copy of the project",
        )
    refuse_tflite(path)
    quiet_keras()
    try:
        network = loaded(path)
    except Unloadable as error:
        raise _unloadable(path, error) from error
    for layer in network._flatten_layers():
        if mode := getattr(layer, "quantization_mode", None):
            raise quantized_already(path, f"the layer {layer.name} in {mode}")
    if getattr(network, "inputs", None) and getattr(network, "outputs", None):
        return network
    raise DataError(
        f"{path} holds a model that does not know its own input",
        received=f"{type(network).__name__}, a subclass of keras.Model",
        expected="a functional or sequential model",
        fix="save keras.Model(image, model(image)) with image = keras.Input(SHAPE) instead",
    )


def _unloadable(path: Path, error: Unloadable) -> DataError:
    lines = str(error).strip().splitlines() or ["no message"]
    unknown = UNKNOWN_CLASS.search(str(error))
    unbuilt = UNBUILT.findall(str(error))
    line = next((line for line in lines if UNKNOWN_CLASS.search(line)), telling(str(error)))
    received = line[:500]
    if unknown and unknown[1] in FUNCTIONS:
        expected = f"layers; {unknown[1]} is a function of TensorFlow's that Keras 2 put between them"
        fix = "save the model where it was made by model.export('folder'), and give that SavedModel"
    elif str(error) == CHANGED:
        expected = "functions that compute in Keras 3 what they computed in Keras 2"
        fix = "save the model where it was made by model.export('folder'), and give that SavedModel"
    elif CODE.search(str(error)):
        expected, fix = (
            "layers that hold no code of their own: a Lambda is a program, and is never loaded",
            "replace each Lambda by a layer of Keras' own or a registered class of yours, and save the model again",
        )
    elif unknown and unknown[1] in ("Functional", "Sequential"):
        expected = "a .keras file of Keras 3; this one is of Keras 2 (TensorFlow before 2.16, or tf_keras)"
        fix = (
            "save the model where it was made as model.save('model.h5') or by model.export('folder'), and give that: "
            "both are read"
        )
    elif unknown and unknown[1].startswith("Quantize"):  # TensorFlow's Model Optimization Toolkit
        expected = f"a model in float32; {unknown[1]} is a layer of quantization-aware training"
        fix = (
            "give the model as it was before quantize_model; what TFLiteConverter makes of this one is judged beside "
            f"it by {as_given('PATH.tflite')}"
        )
    elif unknown:
        name = unknown[1]
        expected = f"layers of Keras' own, or registered ones that are imported; {name} is neither"
        fix = (
            f"write a module that registers {name} (@keras.saving.register_keras_serializable) and holds a dataclass "
            "that inherits from roundoff.model.keras_file.KerasFile; put it on PYTHONPATH, and name that class: "
            "model._target_=MODULE.CLASS"
        )
    elif unbuilt:
        kind, name = unbuilt[-1]
        received = f"{kind} {name}: {telling(str(error))}"[:500]
        expected = "layers that Keras can build from what was saved of them"
        fix = (
            f"save a model without {name}, if it changes nothing once the model is trained (as RandomFlip and its "
            "like); else save it again with the Keras that made it, as .keras or by model.export"
        )
    else:
        expected = "a .keras or .h5 file, as model.save writes it"
        fix = (
            "save the model again with a current Keras, model.save('model.keras'); one of Keras 2, where it was made, "
            "by model.export('folder')"
        )
    return DataError(f"{path} does not load as a Keras model", received=received, expected=expected, fix=fix)


def _require_one_image(path: Path, network: Any, shape: tuple[int, int, int]) -> None:
    inputs = {tensor.name: tuple(tensor.shape) for tensor in network.inputs}
    if len(inputs) != 1:
        raise DataError(
            f"{path} does not take one image",
            received=f"inputs {inputs}",
            expected="one input, of images",
            fix="save a model of the images alone: keras.Model(image, model([image, CONSTANTS]))",
        )
    sizes = next(iter(inputs.values()))
    if len(sizes) != 4:
        raise DataError(
            f"{path} does not take images",
            received=f"an input {sizes}",
            expected="[N, height, width, channels]",
            fix="save a model with a Reshape in front: keras.Model(image, model(keras.layers.Reshape(…)(image)))",
        )
    if sizes[1] in (1, 3) and sizes[3] not in (1, 3):
        raise DataError(
            f"{path} takes its channels first",
            received=f"an input {sizes}",
            expected="channels last, (None, height, width, channels)",
            fix="save a model with a Permute((3, 1, 2)) in front of it, or build it with "
            "keras.config.set_image_data_format('channels_last')",
        )
    require_images(path, sizes[1:], shape)


def _asked(network: Any, output: int) -> Callable[[Any], Any]:
    import keras

    return lambda images: keras.tree.flatten(network(images, training=False))[output]


def _chosen(path: Path, network: Any, name: str | None) -> int:
    """The place of the output that `name` says, or of the only one."""
    struct = getattr(network, "_outputs_struct", None)
    names = _named(struct) if isinstance(struct, dict) else list(getattr(network, "output_names", ["output"]))
    return names.index(chosen_output(path, names, name))


def _named(outputs: dict[str, Any]) -> list[str]:
    """A name for each tensor of a dictionary of outputs, in Keras' order: its key, with a number where it has several.

    As in `box/0`.
    """
    import keras

    counts = {key: len(keras.tree.flatten(outputs[key])) for key in sorted(outputs)}
    return [key if count == 1 else f"{key}/{n}" for key, count in counts.items() for n in range(count)]


def answers(path: Path, sizes: tuple[int | None, ...]) -> int:
    """How many numbers the output has for an image."""
    known = [size for size in sizes[1:] if size is not None]
    if len(sizes) >= 2 and len(known) == len(sizes) - 1 and math.prod(known) == max(known):
        return max(known)
    raise DataError(
        f"{path} does not answer with a number for each class",
        received=f"an output {sizes}",
        expected="[N, classes]",
        fix="give the whole classifier: with include_top=True, or with pooling and a Dense layer behind the features",
    )
