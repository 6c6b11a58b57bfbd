"""An ONNX graph as a PyTorch function of one batch size: torch.fx's graph of it, and the tensors that it takes."""

from __future__ import annotations

import inspect
import operator as python
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import fx

from roundoff.backend.torch_compile.operators import elementwise, layers, moving
from roundoff.backend.torch_compile.operators.table import TABLE, Operator
from roundoff.errors import Unavailable
from roundoff.graph.fixed import Constants, fixed_graph
from roundoff.graph.queries import WEIGHTED
from roundoff.results.message import message

OF_OPERATORS = (elementwise, layers, moving)  # they have filled the table
SOFTMAX_PER_AXIS = 13  # the operator set from which Softmax takes one axis


@dataclass(frozen=True)
class Network:
    """`module` computes logits float32 [batch, classes] of images uint8 [batch, H, W, C] and of its `weights`.

    `weights` are the names of these in order; `computed` those that no initializer of the graph has.
    """

    module: fx.GraphModule
    weights: tuple[str, ...]
    computed: Constants


def network_from_onnx(model: onnx.ModelProto, batch: int) -> Network:
    """The graph, node by node, for images [batch, H, W, C].

    Raises Unavailable, with operator and node, for what has no PyTorch version here.
    """
    fixed, constants = fixed_graph(model, batch)
    return _Translation(fixed, constants).network()


def tensor_from_numpy(value: NDArray[Any], device: str, channels_last: bool = False) -> torch.Tensor:
    """A copy on the device; bfloat16 too, which NumPy does not have of its own."""
    writable = np.array(value, order="C")
    if value.dtype.name == "bfloat16":
        tensor = torch.from_numpy(writable.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(writable)
    if channels_last and tensor.ndim == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)  # here, so that no kernel runs on the device
    return tensor.to(device)


def kernels_of(model: onnx.ModelProto) -> set[str]:
    """Names of what convolutions multiply by: it lies on the device as they read it, channels last."""
    return {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")}


def multiplied_types(module: fx.GraphModule, inputs: Sequence[torch.Tensor]) -> dict[str, int]:
    """How many convolutions and matrix products multiply in which type, by the tensors that they really get."""
    from torch.fx.passes.shape_prop import ShapeProp

    ShapeProp(module).propagate(*inputs)
    counts: dict[str, int] = {}
    for node in module.graph.nodes:
        if node.meta.get("onnx") in WEIGHTED:
            kind = str(node.args[1].meta["tensor_meta"].dtype).removeprefix("torch.")
            counts[kind] = counts.get(kind, 0) + 1
    return counts


class _Translation:
    """One pass over a topologically sorted graph."""

    def __init__(self, model: onnx.ModelProto, constants: Constants) -> None:
        self.model, self.constants = model, constants
        self.opset = next(int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx"))
        self.graph = fx.Graph()
        self.values: dict[str, fx.Node] = {}
        self.weights: dict[str, fx.Node] = {}

    def network(self) -> Network:
        image, logits = self.model.graph.input[0].name, self.model.graph.output[0].name
        self.values[image] = self.graph.placeholder("image")
        steps = [(node, self._operator(node)) for node in self.model.graph.node]
        for name in self._taken(steps):
            self.weights[name] = self.graph.placeholder(f"weight_{len(self.weights)}")
        for node, known in steps:
            self._place(node, known)
        self.graph.output(self.values[logits])
        stored = {tensor.name for tensor in self.model.graph.initializer}
        computed = {name: self.constants[name] for name in self.weights if name not in stored}
        return Network(fx.GraphModule({}, self.graph), tuple(self.weights), computed)

    def _operator(self, node: onnx.NodeProto) -> Operator:
        old = f"{node.op_type}@{SOFTMAX_PER_AXIS - 1}" if self.opset < SOFTMAX_PER_AXIS else node.op_type
        known = TABLE.get(old, TABLE.get(node.op_type)) if node.domain in ("", "ai.onnx") else None
        if known is None:
            raise self._refused(node, "no PyTorch version of this operator")
        if not known.outputs and any(node.output[1:]):
            raise self._refused(node, "more than one output")
        return known

    def _taken(self, steps: Sequence[tuple[onnx.NodeProto, Operator]]) -> list[str]:
        """The constants that are given as tensors, each once."""
        found: dict[str, None] = {}
        for node, known in steps:
            for place, name in enumerate(node.input):
                if name in self.constants and place not in known.static and not self._is_number(known, name):
                    found[name] = None
        return list(found)

    def _is_number(self, known: Operator, name: str) -> bool:
        """Of one element, in a rank that nothing is stretched to."""
        value = self.constants[name]
        return known.numbers and value.ndim <= 1 and value.size == 1

    def _place(self, node: onnx.NodeProto, known: Operator) -> None:
        arguments = [self._argument(node, known, place) for place in range(len(node.input))]
        while arguments and arguments[-1] is None:
            arguments.pop()
        attributes = {each.name: _plain(onnx.helper.get_attribute_value(each)) for each in node.attribute}
        if known.outputs and node.op_type == "Split":
            attributes.pop("num_outputs", None)
            attributes["parts"] = len(node.output)
        try:
            inspect.signature(known.run).bind(*arguments, **attributes)
        except TypeError as error:
            raise self._refused(node, str(error)) from None
        except ValueError:
            pass  # PyTorch's own functions do not tell what they take
        if known.refuses is not None and (words := known.refuses(**attributes)):
            raise self._refused(node, words)
        made = self.graph.call_function(known.run, tuple(arguments), attributes)
        made.meta["onnx"] = node.op_type
        for place, name in enumerate(node.output):
            self.values[name] = self.graph.call_function(python.getitem, (made, place)) if known.outputs else made

    def _argument(self, node: onnx.NodeProto, known: Operator, place: int) -> Any:
        name = node.input[place]
        if not name:
            return None
        if name not in self.constants:
            if place in known.static:
                raise self._refused(node, f"{name} depends on the image")
            return self.values[name]
        if place in known.static:
            return np.atleast_1d(self.constants[name]).tolist() if self.constants[name].size else None
        return self.constants[name].item() if self._is_number(known, name) else self.weights[name]

    def _refused(self, node: onnx.NodeProto, words: str) -> Unavailable:
        where = f"{node.domain + '.' if node.domain else ''}{node.op_type} ({node.name or node.output[0]})"
        return Unavailable(message("no_torch_operator", where=where, words=words))


def _plain(value: Any) -> Any:
    """An attribute in Python's own types."""
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if not isinstance(value, str | int | float) and hasattr(value, "__iter__") else value
