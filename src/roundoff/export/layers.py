"""Which layer an operator comes from: marks that survive TensorFlow, tf2onnx and ONNX Runtime."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

MARK = re.compile(r"layer(\d+)end")


class Labels:
    """The names that a user knows a model's layers by, each unique.

    A layer is called by its own name and those of the layers around it, without the models around these:
    `block_3_expand` of a nested MobileNetV2, `attention/query` of a MultiHeadAttention. Where two layers would be
    called the same, the models' names come in front.
    """

    def __init__(self, network: keras.Model) -> None:
        self._names = list(walked(network).values())

    def of(self, candidates: Iterable[str]) -> str | None:
        """The name of the innermost layer whose mark one of the operator or tensor names holds, tried in turn."""
        for candidate in candidates:
            if marks := MARK.findall(candidate):
                return self._names[int(marks[-1])]
        return None

    def spoken(self, text: str) -> str:
        """A message with layers' names in the place of their marks."""
        return MARK.sub(lambda mark: self._names[int(mark[1])], text)


@contextmanager
def marked(network: keras.Model) -> Iterator[None]:
    """While this lasts each layer is called by its mark, which TensorFlow writes into the names of its operators.

    The names themselves would not do: TensorFlow numbers a scope that it has seen before, so that `conv_1` may be the
    second use of `conv`, and it refuses some that Keras allows.
    """
    layers = list(walked(network))
    names = [layer.name for layer in layers]
    try:
        for number, layer in enumerate(layers):
            layer.name = f"layer{number}end"
        yield
    finally:
        for layer, name in zip(layers, names, strict=True):
            layer.name = name


def walked(network: keras.Model) -> dict[Any, str]:
    """Every layer and operation of the model, always in one order, and what it is called (see `Labels`)."""
    names: dict[Any, tuple[str, str]] = {}
    _walk(network, (), (), names)
    times = Counter(short for short, _ in names.values())
    return {layer: short if times[short] == 1 else whole for layer, (short, whole) in names.items()}


def _walk(container: Any, around: tuple[str, ...], models: tuple[str, ...], names: dict[Any, tuple[str, str]]) -> None:
    """Add to `names` what is below `container`: short names, and whole ones with the models around."""
    import keras

    for layer in _children(container):
        if layer in names:
            continue
        is_model = isinstance(layer, keras.Model)
        short, whole = (*around, layer.name), (*models, *around, layer.name)
        names[layer] = "/".join(short), "/".join(whole)
        _walk(layer, () if is_model else short, whole if is_model else models, names)


def _children(container: Any) -> list[Any]:
    below = [*getattr(container, "operations", ())]
    if hasattr(container, "_flatten_layers"):
        below += container._flatten_layers(include_self=False, recursive=False)
    return list({id(layer): layer for layer in below}.values())
