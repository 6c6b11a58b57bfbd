"""The peer: the same ONNX network in PyTorch, compiled by torch.compile, float16, channels last, in a CUDA graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional


class Network(nn.Module):
    """An ONNX graph of a convolutional classifier, node by node. Pixel scaling stays float32, the rest is `dtype`.

    Raises NotImplementedError, with the operator's name, for what it does not know.
    """

    def __init__(self, model: onnx.ModelProto, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.image = model.graph.input[0].name
        self.logits = model.graph.output[0].name
        self.constants: dict[str, Any] = {}
        self.slots: dict[str, str] = {}
        for index, initializer in enumerate(model.graph.initializer):
            value = numpy_helper.to_array(initializer)
            if value.ndim > 0 and value.dtype == np.float32:
                # a module keeps its tensors under attribute names, which ONNX's names are not
                self.slots[initializer.name] = f"constant_{index}"
                self.register_buffer(self.slots[initializer.name], torch.from_numpy(value.copy()))
            else:
                # axes, shapes and limits: torch.compile wants to see them as Python's numbers
                self.constants[initializer.name] = value.tolist()
        self.steps = [(n.op_type, list(n.input), n.output[0], _attributes(n)) for n in model.graph.node]
        unknown = {step[0] for step in self.steps} - set(OPERATORS)
        if unknown:
            raise NotImplementedError(f"no PyTorch version of {', '.join(sorted(unknown))}")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        values: dict[str, torch.Tensor] = {self.image: image}
        for operator, inputs, output, attributes in self.steps:
            arguments = [self._value(name, values) for name in inputs]
            values[output] = OPERATORS[operator](self, arguments, attributes)
        return values[self.logits].float()

    def _value(self, name: str, values: dict[str, torch.Tensor]) -> Any:
        if name in values:
            return values[name]
        if name in self.slots:
            return getattr(self, self.slots[name])
        return self.constants.get(name)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _conv(net: Network, inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    x, weight, *bias = inputs
    x, weight = x.to(net.dtype), weight.to(net.dtype)
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    symmetric = (top, left) == (bottom, right)
    if not symmetric:
        x = functional.pad(x, (left, right, top, bottom))
    return functional.conv2d(
        x,
        weight,
        bias[0].to(net.dtype) if bias else None,
        stride=tuple(attributes.get("strides", [1, 1])),
        padding=(top, left) if symmetric else 0,
        dilation=tuple(attributes.get("dilations", [1, 1])),
        groups=attributes.get("group", 1),
    )


def _same_type(inputs: list[Any]) -> tuple[Any, Any]:
    first, second = inputs
    if not (torch.is_tensor(first) and torch.is_tensor(second)):
        return first, second
    return (first.to(second.dtype), second) if first.ndim < second.ndim else (first, second.to(first.dtype))


def _elementwise(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda net, inputs, attributes: function(*_same_type(inputs))


def _mean(net: Network, inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    axes = inputs[1] if len(inputs) > 1 else attributes["axes"]
    return inputs[0].mean(dim=tuple(axes), keepdim=bool(attributes.get("keepdims", 1)))


def _clip(net: Network, inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    low, high = (*inputs[1:3], None, None)[:2]
    return inputs[0].clamp(low, high)


def _gemm(net: Network, inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    x, weight, *bias = (i.to(net.dtype) for i in inputs)
    product = x @ (weight.T if attributes.get("transB", 0) else weight)
    return product + bias[0] if bias else product


OPERATORS: dict[str, Callable[..., torch.Tensor]] = {
    "Cast": lambda net, inputs, a: inputs[0].to(torch.float32),
    "Mul": _elementwise(torch.mul),
    "Add": _elementwise(torch.add),
    "Sub": _elementwise(torch.sub),
    "Div": _elementwise(torch.div),
    "Transpose": lambda net, inputs, a: inputs[0].permute(*a["perm"]),
    "Conv": _conv,
    "Relu": lambda net, inputs, a: functional.relu(inputs[0]),
    "Clip": _clip,
    "ReduceMean": _mean,
    "GlobalAveragePool": lambda net, inputs, a: inputs[0].mean(dim=(2, 3), keepdim=True),
    "Flatten": lambda net, inputs, a: inputs[0].flatten(1),
    "Squeeze": lambda net, inputs, a: inputs[0].flatten(1),
    "Reshape": lambda net, inputs, a: inputs[0].reshape(inputs[1]),
    "MatMul": lambda net, inputs, a: inputs[0].to(net.dtype) @ inputs[1].to(net.dtype),
    "Gemm": _gemm,
    "Identity": lambda net, inputs, a: inputs[0],
}


class CompiledPeer:
    """torch.compile in `mode`, then one CUDA graph per batch size, captured with PyTorch's own recipe."""

    def __init__(self, model: onnx.ModelProto, mode: str) -> None:
        torch.backends.cudnn.benchmark = True
        network = Network(model, torch.float16).to("cuda").eval()
        for name in _weights(model).intersection(network.slots):
            value = getattr(network, network.slots[name]).half()
            layout = torch.channels_last if value.ndim == 4 else torch.contiguous_format
            setattr(network, network.slots[name], value.contiguous(memory_format=layout))
        self.compiled = torch.compile(network, mode=mode, dynamic=False)

    def bind(self, batches: Sequence[np.ndarray]) -> PeerBinding:
        """Compile for the batches' size and capture one graph for each; takes tens of seconds."""
        return PeerBinding(self.compiled, batches)


def _weights(model: onnx.ModelProto) -> set[str]:
    """Kernels, matrices and biases: what is to be float16 before it runs, not cast in every run."""
    return {name for n in model.graph.node if n.op_type in ("Conv", "Gemm", "MatMul") for name in n.input[1:]}


class PeerBinding:
    """One batch size, captured: a graph for each rotating input, over one pool of memory."""

    def __init__(self, compiled: Callable[[torch.Tensor], torch.Tensor], batches: Sequence[np.ndarray]) -> None:
        started = time.perf_counter()
        self.images = [torch.from_numpy(np.ascontiguousarray(images)).to("cuda") for images in batches]
        side = torch.cuda.Stream()
        with torch.inference_mode(), torch.cuda.stream(side):
            for _ in range(3):
                compiled(self.images[0])
        side.synchronize()
        self.compile_s = time.perf_counter() - started
        self.graphs = [torch.cuda.CUDAGraph() for _ in batches]
        self.logits: list[torch.Tensor] = []
        for graph, image in zip(self.graphs, self.images, strict=True):
            pool = self.graphs[0].pool() if self.logits else None
            with torch.inference_mode(), torch.cuda.graph(graph, pool=pool):
                self.logits.append(compiled(image))

    def each_ms(self, runs: int) -> np.ndarray:
        """Milliseconds of each replay, by CUDA events, over the inputs in turn."""
        events = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
        self.graphs[0].replay()
        events[0].record()
        for run, event in enumerate(events[1:]):
            self.graphs[run % len(self.graphs)].replay()
            event.record()
        torch.cuda.synchronize()
        return np.array([a.elapsed_time(b) for a, b in pairwise(events)])

    def answers(self) -> np.ndarray:
        """The logits of all inputs, one after the other."""
        found = []
        for graph, logits in zip(self.graphs, self.logits, strict=True):
            graph.replay()
            torch.cuda.synchronize()
            found.append(logits.cpu().numpy())
        return np.concatenate(found)
