"""A Keras model as a TensorFlow graph that takes its weights as inputs, so that no converter has to carry them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roundoff.export.layers import marked, walked
from roundoff.model.base import INPUT_NAME

if TYPE_CHECKING:
    import keras

# tf2onnx takes some eighty times the memory of a constant.
RECURRENT_BYTES = 2 << 20


@dataclass(frozen=True)
class Trace:
    """A TensorFlow GraphDef without functions: its inputs and its output by tensor name, and where weights belong."""

    graph: Any
    inputs: list[str]
    output: str
    weights: dict[str, Any]


def traced(network: keras.Model) -> Trace:
    """The graph of `network` for inference; every operator's name holds its layer's mark.

    A weight becomes an input, unless it is a vector: tf2onnx moves transposes past constants only, and these cost
    nothing. The weights of small recurrent layers are constants too: of these it makes an LSTM, of inputs a loop.
    Functions that are compiled on their own (XLA's, in grouped convolutions) are traced through.
    """
    import tensorflow as tf

    count = len(network.trainable_variables)
    variables = {
        f"weight_{n}": v for n, v in enumerate([*network.trainable_variables, *network.non_trainable_variables])
    }
    # NumPy's: a tensor would be lifted into one more input of the graph
    known = _recurrent(network)
    constants = {n: np.asarray(v) for n, v in variables.items() if _is_vector(v.shape) or id(v) in known}
    weights = {name: variable for name, variable in variables.items() if name not in constants}

    def infer(image: Any, **given: Any) -> Any:
        values = [given[name] if name in given else tf.constant(constants[name]) for name in variables]
        answer, _ = network.stateless_call(values[:count], values[count:], image, training=False)
        return tf.nest.flatten(answer)[0]

    image = tf.TensorSpec([None, *network.inputs[0].shape[1:]], tf.uint8, name=INPUT_NAME)
    specs = {name: tf.TensorSpec(variable.shape, variable.dtype, name=name) for name, variable in weights.items()}
    with marked(network), _functions_inlined():
        concrete = tf.function(infer, autograph=False).get_concrete_function(image, **specs)
    return frozen(concrete, weights)


def _is_vector(shape: Sequence[int]) -> bool:
    return math.prod(shape) == max(shape, default=1)


def _recurrent(network: keras.Model) -> set[int]:
    """The identities of the weights of recurrent layers, of none where they are large."""
    import keras

    layers = [layer for layer in walked(network) if isinstance(layer, keras.layers.RNN)]
    sizes = {id(v): 4 * math.prod(v.shape) for layer in layers for v in layer.variables}
    return set(sizes) if sum(sizes.values()) <= RECURRENT_BYTES else set()


@contextmanager
def _functions_inlined() -> Iterator[None]:
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def frozen(concrete: Any, weights: dict[str, Any]) -> Trace:
    """The traced function as one graph; what layers hold beside their variables becomes constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    captured = {inner.op.name: outer for outer, inner in concrete.graph.captures if outer.dtype != tf.resource}
    function = convert_variables_to_constants_v2(concrete, lower_control_flow=False, aggressive_inlining=True)
    graph = function.graph.as_graph_def(add_shapes=True)
    for node in graph.node:
        if node.name in captured:
            _make_constant(node, captured[node.name])
    known = {INPUT_NAME, *weights}
    return Trace(
        graph,
        [tensor.name for tensor in function.inputs if tensor.op.name in known],
        function.outputs[0].name,
        weights,
    )


def _make_constant(node: Any, value: Any) -> None:
    import tensorflow as tf

    tensor = tf.make_tensor_proto(value)
    node.op = "Const"
    del node.input[:]
    node.attr.clear()
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)
