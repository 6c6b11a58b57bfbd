"""A quantized .tflite file with its preprocessing in front and logits behind, so that LiteRT gets pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.errors import DataError
from roundoff.export.given_feeding import Beside, fed, names
from roundoff.export.given_types import require_types
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.model.base import INPUT_NAME
from roundoff.model.taking.classes import columns
from roundoff.model.taking.fitting import chosen_output, require_images
from roundoff.model.taking.preprocessing import Preprocessing
from roundoff.precision.given import Given
from roundoff.system.said import said

SOFTENING = ("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC")
PRODUCTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL")
PIXELS = np.arange(256)
OWN_INPUT = re.compile(rf"(serving_default_)?{INPUT_NAME}(:0)?")
TOLERANCE = 0.05  # of the answers to two images, at once and one by one: a step of a rounding's edge


def fit_tflite(given: Given, at: Beside, key: str) -> bytes:
    """The model at `given.path`, from uint8 [N, H, W, C] to float32 [N, classes].

    See `write_fit` for what it raises.
    """
    path = Path(given.path)
    graph = _read(path)
    require_types(path, given, key, graph.products(PRODUCTS), "float32")
    own = _is_own(graph)
    _take_pixels(path, graph, given, at)
    _give_logits(path, graph, given, at, own)
    content = graph.packed()
    _require_any_batch(path, content, at.shape)
    return content


def _read(path: Path) -> TfliteGraph:
    try:
        return TfliteGraph.read(path.read_bytes())
    except Exception as error:  # the format's reader raises what it stumbles over
        raise DataError(
            f"{path} is no LiteRT model",
            received=said(error),
            expected="a file as TFLiteConverter writes it",
            fix="convert the model again",
        ) from error


def _is_own(graph: TfliteGraph) -> bool:
    """Whether it was converted from the model that train left: that has its preprocessing and its classes inside."""
    taken = graph.inputs[0]
    return (graph.kind(taken), graph.grid(taken)) == ("UINT8", None) and bool(OWN_INPUT.fullmatch(graph.name(taken)))


def _take_pixels(path: Path, graph: TfliteGraph, given: Given, at: Beside) -> None:
    """Put what makes the graph's input of `image` uint8 in front, in place."""
    if len(graph.inputs) != 1 or len(graph.shape(graph.inputs[0])) != 4:
        raise DataError(
            f"{path} does not take one image",
            received=f"inputs {[list(graph.shape(each)) for each in graph.inputs]}",
            expected="one input [N, height, width, channels]",
            fix="convert the classifier alone, with images of four dimensions",
        )
    taken = graph.inputs[0]
    require_images(path, [size if size > 0 else None for size in graph.shape(taken)[1:]], at.shape)
    kind, grid = graph.kind(taken), graph.grid(taken)
    plain = kind == "UINT8" and grid is None
    told = fed(given, at, plain)
    told.require_fit(at.shape[2], plain)
    bgr = told.channel_order == "bgr"
    if kind not in ("FLOAT32", "UINT8", "INT8"):
        raise DataError(
            f"{path} takes images of another type",
            received=kind,
            expected="FLOAT32, UINT8 or INT8",
            fix="convert it with inference_input_type tf.float32, tf.uint8 or tf.int8",
        )
    shift = 128 if kind == "INT8" else 0
    direct = plain or (grid is not None and _is_grid_of_pixels(told, grid, shift))
    image = graph.add_tensor("image", "UINT8", at.shape)
    last = graph.prepend("GATHER", image, "UINT8", at.shape, constant=np.array([2, 1, 0], np.int32)) if bgr else image
    if direct and shift:
        graph.set_grid(last, (grid[0], grid[1] + shift) if grid else None)
        graph.prepend("QUANTIZE", last, into=taken)
    elif direct:
        graph.replace(taken, last)
    else:
        last = graph.prepend("CAST", last, "FLOAT32", at.shape)
        factors, summands = (np.array(each, np.float32) for each in told.affine())
        last = graph.prepend("MUL", last, "FLOAT32", at.shape, constant=factors)
        into = taken if kind == "FLOAT32" else None
        last = graph.prepend("ADD", last, "FLOAT32", at.shape, constant=summands, into=into)
        if kind != "FLOAT32":
            graph.prepend("QUANTIZE", last, into=taken)
    graph.inputs = [image]


def _is_grid_of_pixels(told: Preprocessing, grid: tuple[float, int], shift: int) -> bool:
    """Whether each pixel, less `shift`, is the step of the grid that its value as the network gets it rounds to."""
    scale, zero = grid
    factors, summands = (np.array(each)[:, None] for each in told.affine())
    steps = (PIXELS * factors + summands) / scale + zero
    return bool((np.abs(steps - (PIXELS - shift)) <= 0.5 + 1e-3).all())


def _give_logits(path: Path, graph: TfliteGraph, given: Given, at: Beside, own: bool) -> None:
    """Let the graph answer by logits float32 [N, classes], in place."""
    outputs = {graph.name(tensor): tensor for tensor in graph.outputs}
    graph.outputs = [_before_softmax(graph, outputs[chosen_output(path, list(outputs), given.output)])]
    tensor = graph.outputs[0]
    sizes = graph.shape(tensor)
    if len(sizes) != 2:
        raise DataError(
            f"{path} does not answer with a number for each class",
            received=f"an output {list(sizes)}",
            expected="[N, classes]",
            fix="convert the whole classifier, with a Flatten at its end",
        )
    if graph.kind(tensor) != "FLOAT32":
        tensor = graph.append("DEQUANTIZE", tensor, sizes[1])
    count = sizes[1]
    if count == 1:
        tensor = graph.append("MUL", tensor, 2, constant=np.array([-0.5, 0.5], np.float32))
    chosen = columns(max(2, count), at.classes, names(given, at, own))
    if chosen != tuple(range(max(2, count))):
        graph.append("GATHER", tensor, len(chosen), constant=np.array(chosen, np.int32))


def _before_softmax(graph: TfliteGraph, output: int) -> int:
    """The tensor before a softmax or sigmoid that gives `output`; else `output`."""
    tensor = output
    while (operator := graph.maker(tensor)) is not None and graph.operator(operator) in ("DEQUANTIZE", "QUANTIZE"):
        tensor = int(operator.inputs[0])
    return int(operator.inputs[0]) if operator is not None and graph.operator(operator) in SOFTENING else output


def _require_any_batch(path: Path, content: bytes, shape: Sequence[int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    try:
        together = _answers(content, pixels)
        alone = np.concatenate([_answers(content, pixels[i : i + 1]) for i in (0, 1)])
        received = _difference(alone, together)
    except Exception as error:  # LiteRT raises RuntimeError and ValueError, in its own words
        received = said(error)
    if received is not None:
        raise DataError(
            f"{path} does not run on batches of any size",
            received=received,
            expected="a graph that answers for each image alone, whatever the size of the batch",
            fix="convert a model whose batch dimension is open, (None, height, width, channels)",
        )


def _difference(alone: NDArray[Any], together: NDArray[Any]) -> str | None:
    if alone.shape != together.shape:
        return f"answers {list(together.shape)} to two images"
    difference = float(np.linalg.norm(together - alone) / max(float(np.linalg.norm(alone)), 1e-6))
    held = math.isfinite(difference) and difference <= TOLERANCE
    return None if held else f"two images at once and one by one: a relative difference of {difference:.1e}"


def _answers(content: bytes, images: NDArray[np.uint8]) -> NDArray[Any]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    taken, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(taken, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken, images)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(answer))
