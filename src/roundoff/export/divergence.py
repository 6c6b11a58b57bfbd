"""Where a graph leaves the Keras model that it was made from: the layer that is to be replaced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.dataset.base import Images
from roundoff.export.layers import walked
from roundoff.graph.difference import relative_error
from roundoff.model.base import INPUT_NAME

if TYPE_CHECKING:
    import keras

Values = NDArray[np.float32]


def parting_layer(network: keras.Model, graph: onnx.ModelProto, image: Images, error: float) -> str | None:
    """The first layer whose output no tensor of the graph has, nor any later layer's; None where there is none such.

    Outputs are compared as sorted values for one image uint8 [1, H, W, C], since the graph may hold them transposed, to
    a tenth of the whole `error`. A layer that was folded into another has no tensor, but later layers have.
    """
    tensors, outputs = _graph_outputs(graph, image), _keras_outputs(network, image)
    after = 0
    for number, output in enumerate(outputs.values(), start=1):
        if any(relative_error(tensor, output) <= error / 10 for tensor in tensors[output.size]):
            after = number
    return [*outputs, None][after]


def _keras_outputs(network: keras.Model, image: Images) -> dict[str, Values]:
    """Each layer's output by its name, sorted, in the order of computation."""
    outputs: dict[str, Values] = {}
    with _recorded(network, outputs):
        network(image, training=False)
    return outputs


@contextmanager
def _recorded(network: keras.Model, outputs: dict[str, Values]) -> Iterator[None]:
    import keras

    layers = {layer: name for layer, name in walked(network).items() if not isinstance(layer, keras.Model)}

    def recording(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def recorded(*arguments: Any, **options: Any) -> Any:
            answer = call(*arguments, **options)
            for value in keras.tree.flatten(answer):
                if "float" in keras.backend.standardize_dtype(value.dtype):
                    outputs[name] = np.sort(np.asarray(value, np.float32), axis=None)
            return answer

        return recorded

    try:
        for layer, name in layers.items():
            layer.call = recording(name, layer.call)
        yield
    finally:
        for layer in layers:
            del layer.call


def _graph_outputs(graph: onnx.ModelProto, image: Images) -> dict[int, list[Values]]:
    """The values of each float tensor, sorted, by their number."""
    import onnxruntime

    widened = onnx.ModelProto()
    widened.CopyFrom(graph)
    known = {value.name for value in graph.graph.output}
    floats = [value for value in graph.graph.value_info if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    widened.graph.output.extend(value for value in floats if value.name not in known)
    session = onnxruntime.InferenceSession(widened.SerializeToString(), providers=["CPUExecutionProvider"])
    by_size = defaultdict(list)
    for value in session.run(None, {INPUT_NAME: image}):
        by_size[value.size].append(np.sort(value, axis=None))
    return by_size
