"""The types that a quantized graph has, held against those that the configuration says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from roundoff.errors import ConfigError, DataError
from roundoff.precision.given import Given
from roundoff.results.precision import Types

PLAIN = ("float32", "float16", "bfloat16")


def require_types(path: Path, given: Given, key: str, products: Iterable[tuple[str, str]], remainder: str) -> None:
    """Raise unless most quantized `products`, each the types of weights and activations, are as `given` says.

    DataError where none is quantized, ConfigError for other types.
    """
    times = Counter((_signed(weights), _signed(activations)) for weights, activations in products)
    quantized = {types: count for types, count in times.items() if types[0] not in PLAIN}
    if not quantized:
        raise DataError(
            f"{path} is not quantized",
            received=", ".join(f"{count} layers in {types[0]}" for types, count in times.items()) or "no layer",
            expected="convolutions or matrix products with weights of 8 bits, or fewer",
            fix="give a graph that is; a float model is taken by model=onnx_file or model=keras_file",
        )
    weights, activations = max(quantized, key=lambda types: quantized[types])
    own, said = Types(weights, activations, remainder), Types(given.weights, given.activations, given.remainder)
    if own != said:
        settings = {name: value for name, value in vars(own).items() if value != getattr(said, name)}
        raise ConfigError(
            f"{key} says other types than {path} has",
            received=_words(said),
            expected=f"{_words(own)}, as most of its layers",
            fix=f"set {' '.join(f'{key}.{name}={value}' for name, value in settings.items())}",
        )


def _signed(kind: str) -> str:
    """Which way integers are shifted is the grid's affair."""
    return kind.removeprefix("u") if kind.startswith("uint") else kind


def _words(types: Types) -> str:
    return f"weights {types.weights}, activations {types.activations}, the rest {types.remainder}"
