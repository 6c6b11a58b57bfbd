"""HDF5 files of Keras 2, in the words of Keras 3: what it would refuse by name alone is said otherwise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roundoff.model.taking.keras_two_calls import renumbered
from roundoff.model.taking.unloadable import Unloadable

SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
UNGROUPED = (*SEPARABLE, "DepthwiseConv1D", "DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
RENAMED = {"SyncBatchNormalization": "BatchNormalization"}  # which is told only while it is trained
DROPOUT = ("trainable", "noise_shape")  # which only training asks for
FORGOTTEN = {
    **{f"SpatialDropout{n}D": DROPOUT for n in (1, 2, 3)},
    "Discretization": ("trainable",),
    "MultiHeadAttention": ("query_shape", "key_shape", "value_shape", "softmax_robust_masking"),
}
BY_MODULE = ("LayerNormalization", "Attention", "AdditiveAttention")  # else Keras loses their axes, their score's name
CHANGED = "hard_sigmoid of Keras 2 is max(0, min(1, 0.2x + 0.5)), that of Keras 3 is another function"
MODELS = ("Sequential", "Functional", "Model")
TRAINED_BY = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")  # of kernels that these layers lack
ENGINES = ("tf_keras.", "keras.src.engine.", "keras.engine.")  # modules that are no more


def modernised(path: Path, scratch: Path) -> Path:
    """The .h5 file itself, or a copy in the folder `scratch` with a configuration that Keras 3 reads.

    Without arguments that say nothing and are no more (one group of layers that know no groups), without `/` in names,
    and with layers and arguments that have another name by now. Weights are found by their order. A file without a
    configuration, or of Keras 3, is left to Keras. Raises Unloadable for what would be read and answer otherwise.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            told = json.loads(file.attrs["model_config"])
            version = str(file.attrs.get("keras_version"))
    except (OSError, KeyError, ValueError, TypeError):
        return path
    if version.startswith("3."):
        return path
    _require_same_functions(told)
    modern = _modern(told, {name: name.replace("/", "_") for name in _names(told) if "/" in name})
    if modern == told:
        return path
    copy = scratch / path.name
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = json.dumps(modern)
    return copy


def _require_same_functions(told: Any) -> None:
    """Raises Unloadable for a function that has the same name in Keras 3 and computes something else."""
    if isinstance(told, dict):
        if any("hard_sigmoid" in json.dumps(each) for key, each in told.items() if key.endswith("activation")):
            raise Unloadable(CHANGED)
        told = list(told.values())
    if isinstance(told, list):
        for each in told:
            _require_same_functions(each)


def _names(told: Any) -> Iterator[str]:
    """The names of all layers, inside models, too."""
    if isinstance(told, dict):
        if isinstance(told.get("class_name"), str) and isinstance(told.get("config"), dict):
            yield from [name for name in (told["config"].get("name"),) if isinstance(name, str)]
        told = list(told.values())
    if isinstance(told, list):
        for each in told:
            yield from _names(each)


def _modern(told: Any, names: dict[str, str]) -> Any:
    if isinstance(told, str):
        return names.get(told, told)
    if isinstance(told, list):
        return [_modern(each, names) for each in told]
    if not isinstance(told, dict):
        return told
    said = {key: _modern(each, names) for key, each in told.items()}
    if str(said.get("module")).startswith(ENGINES):
        said = {key: each for key, each in said.items() if key not in ("module", "registered_name", "build_config")}
    said.pop("build_config", None)  # layers are built where they are called
    kind, config = said.get("class_name"), said.get("config")
    if kind == "Sequential" and isinstance(config, list):  # before 2.2.3
        config = {"name": said.get("name", "sequential"), "layers": config}
    if not (isinstance(kind, str) and isinstance(config, dict)):
        return said
    known = {key: each for key, each in config.items() if not _forgotten(kind, key, each)}
    if kind.endswith("BatchNormalization") and isinstance(known.get("axis"), list):
        known["axis"] = known["axis"][-1]  # of one
    if kind in MODELS and isinstance(known.get("layers"), list):
        known["layers"] = _shaped(known["layers"], kind == "Sequential")
        known = known if kind == "Sequential" else renumbered(known)
    module = {"module": "keras.layers", "registered_name": None} if kind in BY_MODULE else {}
    return said | module | {"class_name": RENAMED.get(kind, kind), "config": known}


def _shaped(layers: list[Any], sequential: bool) -> list[Any]:
    """The layers of a model, where an input says the shape that a sequential one's first layer said.

    Others that say one were given it for nothing.
    """
    for n, layer in enumerate(layers):
        config = layer.get("config") if isinstance(layer, dict) else None
        if isinstance(config, dict) and layer.get("class_name") != "InputLayer":
            shape = config.pop("batch_input_shape", None)
            if sequential and n == 0 and isinstance(shape, list):
                image = {"batch_input_shape": shape, "name": f"{config.get('name')}_input", "dtype": "float32"}
                layers = [{"class_name": "InputLayer", "config": image}, *layers]
    return layers


def _forgotten(kind: str, key: str, value: Any) -> bool:
    """Whether Keras 3 does not know the argument any more, and this value of it says nothing."""
    if key == "groups":
        return kind in UNGROUPED and value == 1
    if key in TRAINED_BY:
        return kind in SEPARABLE
    if key in FORGOTTEN.get(kind, ()):
        return True
    return (key == "time_major" and value is False) or (key == "rng_type" and kind.startswith("Random"))
