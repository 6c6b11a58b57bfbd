"""Times per operator of a .tflite model, which its interpreter does not tell: those of cut-off copies, subtracted.

A copy ends behind one operator; what it takes longer than the copy before is that operator's time. All copies take
turns, so that each meets the same machine.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.backend.base import LayerTime, LayerTimer, Milliseconds
from roundoff.backend.tflite.observing import MULTIPLIERS
from roundoff.dataset.base import Images
from roundoff.errors import Unavailable
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.results.message import message

MOST_BYTES = 10**9  # of weights in all copies
MOST_SECONDS = 3.0  # of one run of all copies
SIZES = {"FLOAT32": 4, "INT32": 4, "FLOAT16": 2, "INT16": 2, "INT64": 8}
CALLED_AGAIN = re.compile(r"_\d+$")  # TensorFlow's number behind a layer's name


class PrefixTimer(LayerTimer):
    """Every copy has an interpreter of its own. Raises Unavailable where they would take too much memory, or time."""

    def __init__(self, path: Path, threads: int, batches: Sequence[Images]) -> None:
        content = path.read_bytes()
        self._graph = TfliteGraph.read(content)
        count = len(moving(self._graph))
        if len(content) * count / 2 > MOST_BYTES:
            raise Unavailable(message("cut_too_large", count=count, size_mb=f"{len(content) / 1e6:.0f}"))
        self._batches = batches
        copies = (cut_off(content, length) for length in range(1, count + 1))
        self._cut: list[Any] = [_opened(copy, threads, len(batches[0])) for copy in copies]
        self._seconds: list[list[float]] = []
        seconds = sum(self._once(batches[0]))
        if seconds > MOST_SECONDS:
            raise Unavailable(message("cut_too_slow", count=count, seconds=f"{seconds:.1f}"))

    def run(self, runs: int) -> None:
        for _ in range(runs):
            self._seconds.append(self._once(self._batches[len(self._seconds) % len(self._batches)]))

    def _once(self, images: Images) -> list[float]:
        """Seconds of each copy, the shortest first."""
        seconds = []
        for interpreter in self._cut:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
            start = time.perf_counter()
            interpreter.invoke()
            seconds.append(time.perf_counter() - start)
        return seconds

    def layers(self) -> list[LayerTime]:
        """One for each operator; their times add up to the whole copy's in every run.

        How the whole is shared out is the same in all runs, by each copy's fastest: differences of single runs are
        noise for the most part.
        """
        ends = np.array(self._seconds).T * 1e3
        shares = shares_of(ends.min(axis=1))
        batch = len(self._batches[0])
        described = [_described(self._graph, each, batch) for each in moving(self._graph)]
        return [replace(layer, times_ms=share * ends[-1]) for layer, share in zip(described, shares, strict=True)]

    def close(self) -> None:
        self._cut = []


def shares_of(ends: Milliseconds) -> Milliseconds:
    """Each operator's share of the last of `ends`, the times of the copies; a longer copy takes no less time."""
    from scipy.optimize import isotonic_regression

    rising = np.asarray(isotonic_regression(ends).x)
    return np.asarray(np.diff(rising, prepend=0.0) / rising[-1], np.float64)


def moving(graph: TfliteGraph) -> list[Any]:
    """The operators that depend on the image; others, such as those that widen weights, run once at most."""
    known, found = set(graph.inputs), []
    for operator in graph.operators:
        if known.intersection(map(int, operator.inputs)):
            known.update(map(int, operator.outputs))
            found.append(operator)
    return found


def cut_off(content: bytes, length: int) -> bytes:
    """The model with the first `length` of these operators alone; what later ones read of them is its output."""
    graph = TfliteGraph.read(content)
    operators = moving(graph)
    kept, later = operators[:length], operators[length:]
    read = {int(tensor) for each in later for tensor in each.inputs} | set(graph.outputs)
    graph.outputs = [int(tensor) for each in kept for tensor in each.outputs if int(tensor) in read]
    return graph.packed()


def _opened(content: bytes, threads: int, batch: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=threads)
    image = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(image["index"], [batch, *image["shape"][1:]])
    interpreter.allocate_tensors()
    return interpreter


def _described(graph: TfliteGraph, operator: Any, batch: int) -> LayerTime:
    """The operator without its times."""
    kind = graph.operator(operator)
    reads = [int(tensor) for tensor in operator.inputs if tensor >= 0]
    gives = [int(tensor) for tensor in operator.outputs]
    return LayerTime(
        name=layers_in(graph.name(gives[0])),
        kind=kind,
        times_ms=np.empty(0),
        computes_in=_computes_in(graph, kind, reads),
        moved_bytes=sum(_bytes(graph, tensor, batch) for tensor in (*reads, *gives)),
        macs=_macs(graph, kind, reads, gives[0], batch),
    )


def layers_in(tensor: str) -> str:
    """The layers whose names are in a tensor's, the first to run first, joined by `;`; else the tensor's name.

    TensorFlow calls what it fused MODEL_1/LAYER_1/OPERATOR;MODEL_1/…, the last to run first.
    """
    found = []
    for path in tensor.split(";"):
        inner = [part for part in path.split("/")[1:-1] if CALLED_AGAIN.search(part)]
        found += [CALLED_AGAIN.sub("", inner[-1])] if inner else []
    return ";".join(reversed(list(dict.fromkeys(found)))) or tensor


def _computes_in(graph: TfliteGraph, kind: str, reads: Sequence[int]) -> str:
    """The weights' type where it multiplies, but for activations that are wider integers."""
    if not reads:
        return "unknown"
    activations = graph.kind(reads[2 if kind == "TRANSPOSE_CONV" else 0]).lower()
    weighed = kind in MULTIPLIERS and len(reads) > 1 and activations != "int16"
    return graph.kind(reads[1]).lower() if weighed else activations


def _macs(graph: TfliteGraph, kind: str, reads: Sequence[int], gives: int, batch: int) -> int | None:
    if kind not in MULTIPLIERS or len(reads) < 2:
        return None
    made, weights = math.prod(_shape(graph, gives, batch)), graph.shape(reads[1])
    if kind == "DEPTHWISE_CONV_2D":
        return made * math.prod(weights[1:3])
    if kind == "CONV_2D":
        return made * math.prod(weights[1:])
    if kind == "TRANSPOSE_CONV":
        return math.prod(_shape(graph, reads[2], batch)) * math.prod(weights[:3])
    return made * _shape(graph, reads[0], batch)[-1]


def _bytes(graph: TfliteGraph, tensor: int, batch: int) -> int:
    return math.prod(_shape(graph, tensor, batch)) * SIZES.get(graph.kind(tensor), 1)


def _shape(graph: TfliteGraph, tensor: int, batch: int) -> tuple[int, ...]:
    """With the batch size in front, of what an operator gives; of what has no shape, none."""
    shape = graph.shape(tensor)
    moves = tensor in graph.inputs or graph.maker(tensor) is not None
    return (batch, *shape[1:]) if shape and moves else shape
