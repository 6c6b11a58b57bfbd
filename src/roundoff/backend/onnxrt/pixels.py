"""Pixels that one number scales and one moves lie on a grid already: the image itself is its codes.

What rounds `image × scale + offset` to 8 bits is taken out, with all that made floats of the pixels, and the image is
read as codes of step `scale`: nothing is rounded any more. Where the offset is no whole number of steps, as in
`image / 127.5 - 1`, the Convs that read the pixels take the rest of a step, at most half, into their biases; at a
padded border, where a pixel is 0, they are off by that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from roundoff.graph.inside import drop_unread
from roundoff.graph.links import Links

EXACT = 1e-4
"""Of a step: a rest below it is the rounding of float32."""
LAST_CODE = 255
MOVES = ("Cast", "Transpose", "Mul", "Div", "Add", "Sub")


@dataclass(frozen=True)
class _Pixels:
    """The node that rounds them; their step, the code of 0, what is left of a step, and the Transposes on their way."""

    rounding: onnx.NodeProto
    step: float
    zero: int
    rest: float
    transposes: list[onnx.NodeProto]


def with_pixels_as_codes(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A copy of the graph of pairs in which uint8 pixels are read as they are; None where there are none to be."""
    links = Links.of(model)
    images = {each.name for each in model.graph.input if each.type.tensor_type.elem_type == TensorProto.UINT8}
    found = [pixels for node in links.nodes if (pixels := _pixels(links, images, node))]
    if not found:
        return None
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for pixels in found:
        _read_as_they_are(copy.graph, links, pixels)
    drop_unread(copy.graph)
    onnx.checker.check_model(copy)
    return copy


def _pixels(links: Links, images: set[str], node: onnx.NodeProto) -> _Pixels | None:
    if node.op_type != "QuantizeLinear" or [links.known[name].dtype for name in node.input[1:]] != [
        np.float32,
        np.uint8,
    ]:
        return None
    way = _way(links, node.input[0])
    scaled = _scaled(links, way) if way and images.intersection(way[0].input) else None
    if scaled is None or scaled[0] <= 0:
        return None
    step, offset = scaled
    zero = -offset / step
    code = int(np.rint(zero))
    rest = zero - code if abs(zero - code) > EXACT else 0.0
    if not 0 <= code <= LAST_CODE or not all(_takes_rest(links, each) or not rest for each in _readers(links, node)):
        return None
    return _Pixels(node, step, code, rest, [each for each in way if each.op_type == "Transpose"])


def _way(links: Links, name: str) -> list[onnx.NodeProto]:
    """The nodes from the graph's input to the tensor, if each takes but one tensor; else none."""
    way: list[onnx.NodeProto] = []
    while (maker := links.makers.get(name)) is not None:
        taken = links.taken(maker)
        if maker.op_type not in MOVES or len(taken) != 1:
            return []
        way.insert(0, maker)
        name = taken[0]
    return way


def _scaled(links: Links, way: list[onnx.NodeProto]) -> tuple[float, float] | None:
    """Scale and offset of all those nodes together; None where a number is one by channel."""
    scale, offset = 1.0, 0.0
    for node in way:
        if node.op_type in ("Cast", "Transpose"):
            continue
        fixed = [links.known[name] for name in node.input if name in links.known]
        if len(fixed) != 1 or fixed[0].size != 1 or (node.op_type in ("Div", "Sub") and node.input[0] in links.known):
            return None
        number = float(fixed[0].reshape(()))
        if node.op_type in ("Mul", "Div"):
            factor = number if node.op_type == "Mul" else 1 / number
            scale, offset = scale * factor, offset * factor
        else:
            offset += number if node.op_type == "Add" else -number
    return scale, offset


def _readers(links: Links, rounding: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    for reader in links.readers.get(rounding.output[0], []):
        if reader.op_type == "DequantizeLinear":
            yield from links.readers.get(reader.output[0], [])
        else:
            yield reader


def _takes_rest(links: Links, node: onnx.NodeProto) -> bool:
    """Whether the node is a Conv of a weight and a bias that are constants."""
    bias = node.input[2] if len(node.input) > 2 else ""
    return node.op_type == "Conv" and _weight(links, node) is not None and (not bias or bias in links.known)


def _weight(links: Links, conv: onnx.NodeProto) -> NDArray[np.float64] | None:
    """What the kernel multiplies with, [out, in ÷ groups, *kernel]; None for what is no constant of 8 bits."""
    maker = links.makers.get(conv.input[1])
    if maker is None or maker.op_type != "DequantizeLinear" or maker.input[0] not in links.known:
        return None
    codes, scales = (links.known[name].astype(np.float64) for name in maker.input[:2])
    return np.asarray(codes * scales.reshape(-1, *(1,) * (codes.ndim - 1)))


def _read_as_they_are(graph: onnx.GraphProto, links: Links, pixels: _Pixels) -> None:
    codes = pixels.rounding.output[0]
    image = _way(links, pixels.rounding.input[0])[0].input[0]
    place = next(i for i, node in enumerate(graph.node) if node.output[0] == codes)
    del graph.node[place]
    for node in reversed(_moved(image, codes, pixels.transposes)):
        graph.node.insert(place, node)
    grid = {f"{codes}/step": np.float32(pixels.step), f"{codes}/zero": np.uint8(pixels.zero)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in grid.items())
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] == codes:
            node.input[1:] = list(grid)
    outputs = {node.output[0] for node in _readers(links, pixels.rounding)} if pixels.rest else set()
    for node in [node for node in graph.node if node.output[0] in outputs]:
        _take_rest(graph, links, pixels, node)


def _moved(image: str, codes: str, transposes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The image through those Transposes, as `codes`."""
    names = [image, *(f"{codes}/moved_{number}" for number in range(len(transposes)))]
    made = [helper.make_node("Transpose", [names[i]], [names[i + 1]], names[i + 1]) for i in range(len(transposes))]
    for node, transpose in zip(made, transposes, strict=True):
        node.attribute.extend(transpose.attribute)
    return [*made, helper.make_node("Identity", [names[-1]], [codes], f"{codes}/pixels")]


def _take_rest(graph: onnx.GraphProto, links: Links, pixels: _Pixels, conv: onnx.NodeProto) -> None:
    """Give the Conv's bias what the pixels' zero is off by."""
    weight = _weight(links, conv)
    assert weight is not None  # or the pixels were not found
    shift = -pixels.rest * pixels.step * weight.reshape(len(weight), -1).sum(1)
    held = links.known[conv.input[2]].astype(np.float64) if len(conv.input) > 2 and conv.input[2] else 0.0
    name = f"{conv.output[0]}/bias_of_pixels"
    graph.initializer.append(numpy_helper.from_array((held + shift).astype(np.float32), name))
    conv.input[2:] = [name]
