"""How models of Keras 2 say which layer is fed by which, in the numbers of Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

ENDS = ("input_layers", "output_layers")
Reference = list[Any]  # the layer's name, which of its calls, which of that call's tensors, and more


def renumbered(config: dict[str, Any]) -> dict[str, Any]:
    """A functional model's configuration where the first call of each layer has the number 0, and one end is no list.

    In Keras 2 a model inside the model has 0 for its own making, and its first call is 1.
    """
    names = {layer.get("name") for layer in config["layers"] if isinstance(layer, dict)}
    told = [layer.get("inbound_nodes") for layer in config["layers"] if isinstance(layer, dict)]
    told += [config.get(end) for end in ENDS]
    first: dict[str, int] = {}
    for name, call, *_ in _references(told, names):
        first[name] = min(call, first.get(name, call))

    def counted(reference: Reference) -> Reference:
        name, call, *others = reference
        return [name, call - first[name], *(_replaced(each, names, counted) for each in others)]

    layers = [
        layer | {"inbound_nodes": _replaced(layer["inbound_nodes"], names, counted)}
        if isinstance(layer, dict) and "inbound_nodes" in layer
        else layer
        for layer in config["layers"]
    ]
    return config | {"layers": layers} | {end: _end(config[end], names, counted) for end in ENDS if end in config}


def _end(told: Any, names: set[Any], counted: Callable[[Reference], Reference]) -> Any:
    """Inputs or outputs; a list of one would be a list for Keras 3, too, and what follows expects a tensor."""
    replaced = _replaced(told, names, counted)
    alone = isinstance(replaced, list) and len(replaced) == 1 and isinstance(replaced[0], list)
    return replaced[0] if alone else replaced


def _references(told: Any, names: set[Any]) -> Iterator[Reference]:
    if _is_reference(told, names):
        yield told
    if isinstance(told, dict):
        told = list(told.values())
    if isinstance(told, list):
        for each in told:
            yield from _references(each, names)


def _replaced(told: Any, names: set[Any], counted: Callable[[Reference], Reference]) -> Any:
    if _is_reference(told, names):
        return counted(told)
    if isinstance(told, dict):
        return {key: _replaced(each, names, counted) for key, each in told.items()}
    return [_replaced(each, names, counted) for each in told] if isinstance(told, list) else told


def _is_reference(told: Any, names: set[Any]) -> bool:
    return (
        isinstance(told, list)
        and len(told) >= 3
        and isinstance(told[0], str)
        and told[0] in names
        and all(isinstance(each, int) for each in told[1:3])
    )
