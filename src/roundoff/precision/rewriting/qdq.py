"""Insert QuantizeLinear/DequantizeLinear pairs: the one way in which any 8-bit precision enters a graph.

    quantize(model, table, codec, Placement(...))

`codec` knows the 8-bit type, this module the graph. Weights are stored in 8 bits behind a DequantizeLinear alone;
biases stay float32, since TensorRT-RTX refuses 32-bit integer biases and every backend quantizes them itself; they
take up what rounding a weight takes from the mean output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.errors import BuildError, CalibrationError
from roundoff.graph.grid import along, weight_axis
from roundoff.graph.queries import constants, model_hash, shapes
from roundoff.precision.rewriting.bias import bias_shift, rounding_sums
from roundoff.precision.rewriting.by_channel import as_convolutions
from roundoff.precision.rewriting.codec import Codec, Codes, Floats
from roundoff.precision.rewriting.kept import QUANTIZED
from roundoff.precision.rewriting.placement import Placement, Site, plan

LARGEST_BIAS = 2.0**30  # in int32 steps: half of what there is room for


def quantize(
    model: onnx.ModelProto, table: CalibrationTable, codec: Codec, placement: Placement, bias_correction: bool = True
) -> onnx.ModelProto:
    """A copy of the FP32 model with pairs where `placement` says, and the biases corrected where the table allows it.

    Raises CalibrationError for another model's table, BuildError where no place for a pair is left.
    """
    require_same_model(model, table)
    _require_opset(model)
    model = model if placement.fuses_add else as_convolutions(model)
    places = plan(model, placement, table.ranges.keys())
    _require_pairs(places.inputs, placement)
    editor = _Editor(model, codec)
    for site in places.inputs:
        editor.quantize_activation(site, _range_of(table, places.grids.get(site.tensor, site.tensor)))
    for site in places.scalars:
        editor.quantize_scalar(site)
    for node, factor in places.rescaled.items():
        editor.rescale(node, factor)
    for site in places.weights:
        editor.make_room_for_bias(site)
    for site in places.weights:
        editor.quantize_weight(site)
        node = model.graph.node[site.node]
        seen = table.ranges.get(node.input[0])  # None behind an operator that moves what was seen
        means = seen.channel_means if seen and node.op_type == "Conv" else None
        if bias_correction and means is not None and not editor.mostly_padding(site):
            editor.correct_bias(site, means)
    return editor.finish()


def require_same_model(model: onnx.ModelProto, table: CalibrationTable) -> None:
    """Raise CalibrationError, with both hashes, unless the table was made from this very model."""
    received, expected = table.provenance.model_sha256, model_hash(model)
    if received != expected:
        raise CalibrationError(
            "the calibration table was made from another model",
            received=f"a table of model {received}",
            expected=f"a table of model {expected}",
            fix="run the calibrate stage again on this model",
        )


def _require_opset(model: onnx.ModelProto) -> None:
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if version < 13:
        raise BuildError(
            "the model's operator set knows no scales per channel",
            received=f"opset {version}",
            expected="opset 13 or newer",
            fix="export with export.opset=18",
        )


def _require_pairs(inputs: list[Site], placement: Placement) -> None:
    if not inputs:
        raise BuildError(
            "nothing is left to be quantized: the graph would be FP32 under an 8-bit name",
            received=f"{placement}",
            expected="a Conv, ConvTranspose, Gemm or MatMul with a constant weight that no switch leaves out",
            fix="set last_layer, first_layer or (fp8) depthwise, shorten exclude_nodes or exclude_types, "
            "or ship another precision",
        )


def _range_of(table: CalibrationTable, name: str) -> TensorRange:
    if name not in table.ranges:
        raise CalibrationError(
            "the calibration table lacks a tensor that is to be quantized",
            received=f"{len(table.ranges)} tensors without {name}",
            expected="a range for every input and output of Conv, ConvTranspose, Gemm, MatMul and residual Add",
            fix="run the calibrate stage again on this model",
        )
    return table.ranges[name]


@dataclass
class _Editor:
    """Collects a graph's changes, then writes them in topological order."""

    source: onnx.ModelProto
    codec: Codec

    def __post_init__(self) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(self.source)
        self.known: Mapping[str, NDArray[np.generic]] = constants(self.source)
        self.shapes = shapes(self.source)
        self.pairs: dict[str, list[onnx.NodeProto]] = {}
        self.scales: dict[str, np.float32] = {}
        self.least: dict[tuple[str, int | None], Floats] = {}
        self.weights: dict[tuple[str, int | None], str] = {}
        self.rounding: dict[str, NDArray[np.float64]] = {}
        self.front: list[onnx.NodeProto] = []
        self.scalars: set[str] = set()
        self.readings: dict[str, tuple[str, np.float32, str]] = {}

    def quantize_activation(self, site: Site, seen: TensorRange) -> None:
        """Let the site read its tensor through a pair; one pair serves all sites of a tensor."""
        name = site.tensor
        if name not in self.pairs:
            scale, zero = self.codec.activation(seen)
            self.scales[name] = scale
            self._constant(f"{name}/scale", onnx.TensorProto.FLOAT, np.array(scale, np.float32))
            self._constant(f"{name}/zero_point", self.codec.activation_type, _number(self.codec.activation_type, zero))
            grid = [f"{name}/scale", f"{name}/zero_point"]
            self.pairs[name] = [
                helper.make_node("QuantizeLinear", [name, *grid], [f"{name}/codes"], f"{name}/quantize"),
                helper.make_node(
                    "DequantizeLinear", [f"{name}/codes", *grid], [f"{name}{QUANTIZED}"], f"{name}/dequantize"
                ),
            ]
        self.model.graph.node[site.node].input[site.slot] = f"{name}{QUANTIZED}"

    def quantize_scalar(self, site: Site) -> None:
        """Let the site read its constant, which is one number, from one code: without any error."""
        name, value = site.tensor, self.known[site.tensor].astype(np.float32)
        base = f"{name}/one_code"
        if base not in self.scalars:
            self.scalars.add(base)
            zero, code = (1, 0) if (value < 0).any() else (0, 1)
            element_type = self.codec.activation_type
            scale = np.abs(value.reshape(())) if value.any() else np.float32(1)
            self._constant(f"{base}/scale", onnx.TensorProto.FLOAT, np.asarray(scale, np.float32))
            self._constant(f"{base}/zero_point", element_type, _number(element_type, zero))
            codes = np.full(value.shape, code if value.any() else zero)
            self._constant(f"{base}/codes", element_type, codes.astype(_number(element_type, 0).dtype))
            inputs = [f"{base}/codes", f"{base}/scale", f"{base}/zero_point"]
            self.front.append(
                helper.make_node("DequantizeLinear", inputs, [f"{base}{QUANTIZED}"], f"{base}/dequantize")
            )
        self.model.graph.node[site.node].input[site.slot] = f"{base}{QUANTIZED}"

    def rescale(self, place: int, factor: float) -> None:
        """Make the node at that place, which multiplies with a number, a reading of the same codes on another grid."""
        node = self.model.graph.node[place]
        taken = next(name for name in self.source.graph.node[place].input if name not in self.known)
        codes, scale, zero = self.readings.get(taken) or (f"{taken}/codes", self.scales[taken], f"{taken}/zero_point")
        name, scale = f"{node.output[0]}/scale", np.float32(scale * factor)
        self._constant(name, onnx.TensorProto.FLOAT, np.array(scale, np.float32))
        self.readings[node.output[0]] = codes, scale, zero
        self.scales[node.output[0]] = scale
        reading = helper.make_node("DequantizeLinear", [codes, name, zero], [node.output[0]], node.name)
        node.CopyFrom(reading)

    def make_room_for_bias(self, site: Site) -> None:
        """Keep the scales of the site's weight from being so small that its bias leaves int32.

        Integer kernels hold a bias in steps of the activation's scale times the weight's, for each channel.
        """
        node, key = self.source.graph.node[site.node], self._key(site)
        bias = self.known.get(node.input[2] if len(node.input) > 2 else "")
        scale = self.scales.get(node.input[0])
        channels = 1 if key[1] is None else self.known[site.tensor].shape[key[1]]
        if bias is None or scale is None or (key[1] is not None and bias.size not in (1, channels)):
            return
        steps = np.abs(bias.astype(np.float64)).reshape(-1) / LARGEST_BIAS
        least = (steps.max() if key[1] is None else np.broadcast_to(steps, channels)) / np.float64(scale)
        self.least[key] = np.maximum(self.least.get(key, np.float32(0)), least)

    def mostly_padding(self, site: Site) -> bool:
        """Whether the map that the site's Conv reads is narrower than its kernel, so that it looks at padding most."""
        node = self.source.graph.node[site.node]
        image, kernel = self.shapes.get(node.input[0], ())[2:], self.known[site.tensor].shape[2:]
        return any(0 < size < taps for size, taps in zip(image, kernel, strict=False))

    def quantize_weight(self, site: Site) -> None:
        """Store the site's weight in 8 bits, per output channel where the operator has one."""
        node = self.model.graph.node[site.node]
        key = self._key(site)
        axis = key[1]
        if key not in self.weights:
            self.weights[key] = self._weight(site.tensor, axis, node.op_type)
        node.input[site.slot] = self.weights[key]

    def correct_bias(self, site: Site, channel_means: list[float]) -> None:
        """Give the Conv of the site, whose weight has been quantized, the bias that restores its mean output.

        A bias that is no constant stays as it is.
        """
        node = self.model.graph.node[site.node]
        bias = node.input[2] if len(node.input) > 2 else ""
        if bias and bias not in self.known:
            return
        shift = bias_shift(self.rounding[site.tensor], channel_means, _attributes(node).get("group", 1) or 1)
        values = shift + (self.known[bias].astype(np.float32) if bias else np.float32(0))
        name = f"{node.output[0]}/bias"
        self._constant(name, onnx.TensorProto.FLOAT, values)
        node.input[2:] = [name]

    def finish(self) -> onnx.ModelProto:
        """The changed model, without the constants that nothing reads any more."""
        graph = self.model.graph
        nodes = [*self.front, *self.pairs_of(value.name for value in graph.input)]
        for node in graph.node:
            nodes += [node, *self.pairs_of(node.output)]
        used = self._used(nodes)
        nodes = self._read([node for node in nodes if node.op_type != "DequantizeLinear" or node.output[0] in used])
        used = self._used(nodes)
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend(kept)
        onnx.checker.check_model(self.model)
        return self.model

    def _read(self, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """Those nodes without the constants, and names of constants, that nothing reads any more."""
        used = self._used(nodes)
        left = [node for node in nodes if node.output[0] not in self.known or node.output[0] in used]
        return left if len(left) == len(nodes) else self._read(left)

    def _used(self, nodes: list[onnx.NodeProto]) -> set[str]:
        return {name for node in nodes for name in node.input} | {value.name for value in self.model.graph.output}

    def pairs_of(self, names: Any) -> list[onnx.NodeProto]:
        """The pair nodes of those tensors that have one."""
        return [node for name in names for node in self.pairs.get(name, [])]

    def _weight(self, name: str, axis: int | None, op_type: str) -> str:
        base = f"{name}/axis{axis}" if any(name == other for other, _ in self.weights) else name
        values = self.known[name].astype(np.float32)
        scales, codes = self.codec.weight(values, axis, self.least.get((name, axis), 0))
        if op_type == "Conv":
            self.rounding[name] = rounding_sums(values, codes.astype(np.float32) * along(scales, values.ndim, axis))
        self._constant(f"{base}/scale", onnx.TensorProto.FLOAT, scales)
        self._constant(f"{base}/codes", self.codec.weight_type, codes)
        self._constant(f"{base}/zero_point", self.codec.weight_type, np.zeros_like(codes, shape=scales.shape))
        inputs = [f"{base}/codes", f"{base}/scale", f"{base}/zero_point"]
        node = helper.make_node("DequantizeLinear", inputs, [f"{base}/quantized"], f"{base}/dequantize")
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
        self.front.append(node)
        return f"{base}/quantized"

    def _key(self, site: Site) -> tuple[str, int | None]:
        """The site's weight, and the axis of its scales."""
        return site.tensor, _axis(self.source.graph.node[site.node], self.known[site.tensor].ndim)

    def _constant(self, name: str, element_type: int, values: Codes) -> None:
        tensor = onnx.TensorProto(name=name, data_type=element_type, dims=values.shape, raw_data=values.tobytes())
        self.model.graph.initializer.append(tensor)


def _axis(node: onnx.NodeProto, rank: int) -> int | None:
    attributes = _attributes(node)
    return weight_axis(node.op_type, rank, bool(attributes.get("transB", 0)), attributes.get("group", 1) or 1)


def _attributes(node: onnx.NodeProto) -> dict[str, int]:
    return {attribute.name: attribute.i for attribute in node.attribute}


def _number(element_type: int, value: float) -> Codes:
    to_numpy: Callable[[int], np.dtype[Any]] = helper.tensor_dtype_to_np_dtype
    return np.array(value, to_numpy(element_type))
