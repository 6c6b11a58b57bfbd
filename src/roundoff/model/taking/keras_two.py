"""HDF5 files of Keras 2, in the words of Keras 3: what it would refuse by name alone is said otherwise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
UNGROUPED = (*SEPARABLE, "DepthwiseConv1D", "DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
RENAMED = {"SyncBatchNormalization": "BatchNormalization"}  # which is told only while it is trained
TRAINED_BY = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")  # of kernels that these layers lack
ENGINES = ("tf_keras.", "keras.src.engine.", "keras.engine.")  # modules that are no more


def modernised(path: Path, scratch: Path) -> Path:
    """The .h5 file itself, or a copy in the folder `scratch` with a configuration that Keras 3 reads.

    Without arguments that say nothing and are no more (one group of layers that know no groups), without `/` in names,
    and with layers that have another name by now. Weights are found by their order. A file without a configuration is
    left to Keras.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            told = json.loads(file.attrs["model_config"])
    except (OSError, KeyError, ValueError, TypeError):
        return path
    modern = _modern(told, {name: name.replace("/", "_") for name in _names(told) if "/" in name})
    if modern == told:
        return path
    copy = scratch / path.name
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = json.dumps(modern)
    return copy


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
    kind, config = said.get("class_name"), said.get("config")
    if not (isinstance(kind, str) and isinstance(config, dict)):
        return said
    known = {key: each for key, each in config.items() if not _forgotten(kind, key, each)}
    if kind.endswith("BatchNormalization") and isinstance(known.get("axis"), list):
        known["axis"] = known["axis"][-1]  # of one
    return said | {"class_name": RENAMED.get(kind, kind), "config": known}


def _forgotten(kind: str, key: str, value: Any) -> bool:
    """Whether Keras 3 does not know the argument any more, and this value of it says nothing."""
    if key == "groups":
        return kind in UNGROUPED and value == 1
    if key in TRAINED_BY:
        return kind in SEPARABLE
    return (key == "time_major" and value is False) or (key == "rng_type" and kind.startswith("Random"))
