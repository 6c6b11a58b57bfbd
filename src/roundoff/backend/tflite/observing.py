"""What a float .tflite model computes on images: its activations' extremes, and the means of convolutions' inputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Images
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.system.progress import track

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
MULTIPLIERS = (*CONVOLUTIONS, "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL")
CHUNK_BYTES = 64_000_000
LARGEST_CHUNK = 32

Floats = NDArray[np.float32]
Ends = tuple[float, float]


@dataclass
class Observed:
    """By tensor: the smallest and largest value, and of what a convolution takes its shape and its channels' means."""

    ends: dict[str, Ends] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    means: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def observed(content: bytes, images: Images, threads: int) -> Observed:
    """Of all of `images`, uint8 [N, H, W, C]."""
    graph = TfliteGraph.read(content)
    taken = {graph.name(int(each.inputs[0])) for each in graph.operators if graph.operator(each) in CONVOLUTIONS}
    size = _chunk_size(graph, content, images, threads)
    seen, sums = Observed(), dict[str, NDArray[np.float64]]()
    starts = range(0, len(images), size)
    for start, tensors in track(zip(starts, activations(content, images, size, threads), strict=True), "litert ranges"):
        count = min(size, len(images) - start)
        for name, values in tensors.items():
            low, high = seen.ends.get(name, (np.inf, -np.inf))
            seen.ends[name] = min(low, float(values.min())), max(high, float(values.max()))
            if name in taken:
                seen.shapes[name] = values.shape
                sums[name] = sums.get(name, np.float64(0)) + values[:count].mean((1, 2), np.float64).sum(0)
    seen.means = {name: total / len(images) for name, total in sums.items()}
    return seen


def activations(content: bytes, images: Images, size: int, threads: int) -> Iterator[dict[str, Floats]]:
    """The float32 activations by name, `size` images at a time; the last chunk is filled up with its last image."""
    graph = TfliteGraph.read(content)
    made = [int(tensor) for each in graph.operators for tensor in each.outputs]
    names = {tensor: graph.name(tensor) for tensor in made if graph.kind(tensor) == "FLOAT32"}
    interpreter = _preserving(content, threads)
    image = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(image, [size, *images.shape[1:]])
    interpreter.allocate_tensors()
    for start in range(0, len(images), size):
        chunk = np.array(images[start : start + size])
        chunk = np.concatenate([chunk, np.repeat(chunk[-1:], size - len(chunk), axis=0)])
        interpreter.set_tensor(image, chunk)
        interpreter.invoke()
        read = {name: _values(interpreter, tensor) for tensor, name in names.items()}
        yield {name: values for name, values in read.items() if values is not None and values.size}


def _chunk_size(graph: TfliteGraph, content: bytes, images: Images, threads: int) -> int:
    tensors = next(activations(content, images[:1], 1, threads), {})
    return int(np.clip(CHUNK_BYTES // max(1, sum(values.nbytes for values in tensors.values())), 1, LARGEST_CHUNK))


def _values(interpreter: Any, tensor: int) -> Floats | None:
    """None for what the runtime has fused away."""
    try:
        values: Floats = interpreter.get_tensor(tensor)
    except ValueError:
        return None
    return values


def _preserving(content: bytes, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the memory that kept tensors take, which is wanted here
        return Interpreter(model_content=content, num_threads=threads, experimental_preserve_all_tensors=True)
