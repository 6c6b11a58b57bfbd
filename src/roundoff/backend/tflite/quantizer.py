"""ai-edge-quantizer: a float .tflite model with smaller weights and activations. It needs no TensorFlow."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from roundoff.backend.tflite.observing import Ends
from roundoff.errors import Unavailable
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.results.message import message
from roundoff.system.held_output import held_back_output


def require_quantizer() -> None:
    """Raise Unavailable where ai-edge-quantizer cannot be imported."""
    try:
        import ai_edge_quantizer.quantizer  # noqa: F401
    except ImportError as error:
        raise Unavailable(message("no_quantizer", words=str(error))) from error


def with_float16_weights(content: bytes) -> bytes:
    """The model with its weights stored in float16, and widened when it is loaded."""
    from ai_edge_quantizer import algorithm_manager, qtyping, recipe_manager

    recipe = recipe_manager.RecipeManager()
    casting = algorithm_manager.AlgorithmName.FLOAT_CASTING
    recipe.add_weight_only_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, 16, algorithm_key=casting)
    return _made(content, recipe, None)


def quantized(
    content: bytes,
    ranges: Mapping[str, Ends],
    bits: int,
    left: Sequence[Any],
    graph: TfliteGraph,
    rounding: Sequence[Any] = (),
) -> bytes:
    """The model with int8 weights per channel and activations of 8 (asymmetric) or 16 bits (symmetric).

    `ranges` are those of all float activations, by name; operators of the `graph` that are `left`, and the output, stay
    in float32. An operator that LiteRT has no kernel for in these types does, too. Fully connected ones that are
    `rounding` take and give floats, and choose the range of each row as they run.
    """
    from ai_edge_quantizer import algorithm_manager, qtyping, recipe_manager

    recipe, every = recipe_manager.RecipeManager(), qtyping.TFLOperationName.ALL_SUPPORTED
    none = algorithm_manager.AlgorithmName.NO_QUANTIZE
    recipe.add_static_config(".*", every, activation_num_bits=bits, weight_num_bits=8)
    recipe.add_quantization_config(".*", qtyping.TFLOperationName.OUTPUT, algorithm_key=none)
    for name in dict.fromkeys(_scope(graph, each) for each in left):
        recipe.add_quantization_config(f"^{re.escape(name)}", every, algorithm_key=none)
    for name in dict.fromkeys(_scope(graph, each) for each in rounding):
        recipe.add_dynamic_config(f"^{re.escape(name)}", qtyping.TFLOperationName.FULLY_CONNECTED, 8)
    return _made(content, recipe, {name: _as_array(ends) for name, ends in ranges.items()})


def _made(content: bytes, recipe: Any, ranges: dict[str, Any] | None) -> bytes:
    from ai_edge_quantizer import quantizer

    with held_back_output(), warnings.catch_warnings():  # bars, and what the interpreter says
        warnings.simplefilter("ignore", UserWarning)
        made = quantizer.Quantizer(content, recipe.get_quantization_recipe())
        result = made.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _scope(graph: TfliteGraph, operator: Any) -> str:
    """What the library calls an operator: the names of its outputs, each with a semicolon behind it."""
    return "".join(f"{graph.name(int(tensor))};" for tensor in operator.outputs)


def _as_array(ends: Ends) -> dict[str, Any]:
    return {"min": np.array([ends[0]], np.float32), "max": np.array([ends[1]], np.float32)}
