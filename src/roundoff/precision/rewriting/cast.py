"""Lowers a float32 ONNX graph to a 16-bit float type, node by node, with casts only where types meet."""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableSequence
from fnmatch import fnmatchcase

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roundoff.errors import BuildError
from roundoff.graph.queries import element_types
from roundoff.precision.rewriting.constant_fit import ConstantFit
from roundoff.precision.rewriting.float_types import Half, RoundedWeights
from roundoff.precision.rewriting.kept import CONSTANTS, note_kept

log = logging.getLogger(__name__)

PLAIN_VALUES = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
MULTIPLIERS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum"}


def lower(model: onnx.ModelProto, half: Half, keep: Iterable[str] = ()) -> onnx.ModelProto:
    """A copy of `model` that computes in `half`; graph inputs and outputs keep their types.

    The nodes between a graph input and the first multiplication or quantization (pixel scaling) stay in
    float32, since subtracting a mean in 16 bits loses what the network is about to look at. So do nodes whose
    name (with * and ?), operator, or tensor that they give or take is in `keep`, operators that ONNX does not define
    for `half`, and nodes with a constant that `half` cannot hold (`constant_fit`): these are logged, and listed in the
    model's metadata. The result is type-checked. Raises BuildError for an entry of `keep` that names nothing, or a
    graph with control flow.
    """
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    _refuse_control_flow(lowered)
    constants_to_initializers(lowered.graph)
    _Lowering(lowered, half, _kept(lowered.graph, keep)).run()
    del lowered.graph.value_info[:]
    onnx.checker.check_model(lowered, full_check=True)
    return lowered


def _kept(graph: onnx.GraphProto, keep: Iterable[str]) -> frozenset[str]:
    """The first outputs of the nodes that `keep` says; raises BuildError for an entry that says none."""
    kept: set[str] = set()
    for pattern in keep:
        nodes = {node.output[0] for node in graph.node if is_meant(node, pattern)}
        if not nodes:
            known = sorted({node.op_type for node in graph.node}) + sorted(node.name for node in graph.node)
            raise BuildError(
                "an entry of keep_float32 names no node, tensor or operator of the graph",
                received=pattern,
                expected="a name, pattern or operator of: " + ", ".join(known),
                fix=f"take {pattern} out of the precision's keep_float32, or write it as the graph does",
            )
        kept |= nodes
    return frozenset(kept)


def is_meant(node: onnx.NodeProto, pattern: str) -> bool:
    """Whether the node, its operator, or a tensor that it gives or takes is called so."""
    names = (node.op_type, node.name, *node.input, *node.output)
    return any(name and (name == pattern or fnmatchcase(name, pattern)) for name in names)


def at_least_opset(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """`model`, raised to the default domain's operator set `version` where it is older."""
    current = opset_of(model)
    return model if current >= version else onnx.version_converter.convert_version(model, version)


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's default operator set that the model uses."""
    versions = {entry.domain: int(entry.version) for entry in model.opset_import}
    return versions.get("", versions.get("ai.onnx", 1))


def _refuse_control_flow(model: onnx.ModelProto) -> None:
    nested = [n for n in model.graph.node if any(a.type in (a.GRAPH, a.GRAPHS) for a in n.attribute)]
    if nested or model.functions:
        raise BuildError(
            "the graph cannot be lowered to 16 bits",
            received=", ".join(n.op_type for n in nested) or "local functions",
            expected="one flat graph",
            fix="export the model for inference only, or inline it with onnx.inliner and fold its conditions",
        )


def constants_to_initializers(graph: onnx.GraphProto) -> None:
    """Put what Constant nodes give among the initializers, in place of those nodes."""
    for node in [n for n in graph.node if n.op_type == "Constant"]:
        value = node.attribute[0]
        if value.name in PLAIN_VALUES:
            values = np.array(helper.get_attribute_value(value), PLAIN_VALUES[value.name])
            graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        elif value.name == "value":
            graph.initializer.add().CopyFrom(value.t)
            graph.initializer[-1].name = node.output[0]
        else:
            continue
        graph.node.remove(node)


class _Lowering:
    """One pass over a topologically sorted graph."""

    def __init__(self, model: onnx.ModelProto, half: Half, keep: frozenset[str]) -> None:
        self.model, self.graph, self.half, self.keep = model, model.graph, half, keep
        self.opset = opset_of(model)
        self.floats = _float_tensors(model)
        self.initializers = {i.name: i for i in self.graph.initializer}
        self.lowered: set[str] = set()
        self.preprocessing = {i.name for i in self.graph.input}
        self.available: dict[tuple[str, int], str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.weights = RoundedWeights()
        self.fit = ConstantFit(self.graph, half)
        self.misfits: dict[str, str] = {}

    def run(self) -> None:
        for node in list(self.graph.node):
            self._place(node)
        self._restore_outputs()
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        self._drop_unused_initializers()
        self.weights.report(self.half)
        for key, value in self.weights.counts().items():
            self.model.metadata_props.add(key=f"roundoff.{key}", value=str(value))
        note_kept(self.model, CONSTANTS, [f"{node} ({constant})" for node, constant in self.misfits.items()])

    def _place(self, node: onnx.NodeProto) -> None:
        schema = self._schema(node)
        if self._is_preprocessing(node) or schema is None or not self._computes_in_half(node, schema):
            self._connect(node, [TensorProto.FLOAT] * len(node.input))
        else:
            self._connect(node, [self._input_type(schema, i) for i in range(len(node.input))])
            self._lower_attributes(node)
            self.lowered.update(
                name for i, name in enumerate(node.output) if name in self.floats and self._allows(schema.outputs, i)
            )
        self.nodes.append(node)

    def _is_preprocessing(self, node: onnx.NodeProto) -> bool:
        moving = [name for name in node.input if name and name not in self.initializers]
        if node.op_type in MULTIPLIERS | {"QuantizeLinear"} or not moving or not self.preprocessing.issuperset(moving):
            return False
        self.preprocessing.update(node.output)
        return True

    def _computes_in_half(self, node: onnx.NodeProto, schema: onnx.defs.OpSchema) -> bool:
        if node.output[0] in self.keep:
            return False
        floats_in = [i for i, name in enumerate(node.input) if name in self.floats]
        floats_out = [i for i, name in enumerate(node.output) if name in self.floats]
        defined = all(self._allows(schema.outputs, i) for i in floats_out) and (
            not floats_in or any(self._allows(schema.inputs, i) for i in floats_in)
        )
        return defined and not self._has_misfit(node)

    def _has_misfit(self, node: onnx.NodeProto) -> bool:
        constant = self.fit.misfit(node)
        if constant is not None:
            self.misfits[node.name or node.output[0]] = constant
            log.warning("%s stays in float32: %s has no %s", node.name, constant, self.half.dtype.name)
        return constant is not None

    def _schema(self, node: onnx.NodeProto) -> onnx.defs.OpSchema | None:
        known = onnx.defs.has(node.op_type, self.opset, node.domain)
        return onnx.defs.get_schema(node.op_type, self.opset, node.domain) if known else None

    def _allows(self, formals: Iterable[onnx.defs.OpSchema.FormalParameter], index: int) -> bool:
        formals = list(formals)
        # the last formal parameter of a variadic operator (Concat, Sum) stands for all that follow
        return bool(formals) and self.half.schema_name in formals[min(index, len(formals) - 1)].types

    def _input_type(self, schema: onnx.defs.OpSchema, index: int) -> int:
        return self.half.code if self._allows(schema.inputs, index) else TensorProto.FLOAT

    def _connect(self, node: onnx.NodeProto, wanted: list[int]) -> None:
        for index, (name, code) in enumerate(zip(node.input, wanted, strict=True)):
            if name in self.floats:
                node.input[index] = self._as_type(name, code)

    def _as_type(self, name: str, code: int) -> str:
        """The name under which float tensor `name` can be had in type `code`."""
        if code == (self.half.code if name in self.lowered else TensorProto.FLOAT):
            return name
        if (name, code) not in self.available:
            suffix = helper.tensor_dtype_to_np_dtype(code).name
            self.available[name, code] = converted = f"{name}_{suffix}"
            if name in self.initializers:
                self._round_initializer(name, converted)
            else:
                self.nodes.append(helper.make_node("Cast", [name], [converted], name=f"cast_{converted}", to=code))
        return self.available[name, code]

    def _round_initializer(self, name: str, converted: str) -> None:
        values = numpy_helper.to_array(self.initializers[name])
        rounded = self.weights.round(values, self.half, self.fit.keeps_sign(name))
        self.graph.initializer.append(numpy_helper.from_array(rounded, converted))

    def _lower_attributes(self, node: onnx.NodeProto) -> None:
        if node.op_type == "ConstantOfShape" and not node.attribute:  # which then means a float32 zero
            node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(1, np.float32))))
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = self.half.code
            elif attribute.type == attribute.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
                values = self.weights.round(numpy_helper.to_array(attribute.t), self.half, keeps_sign=True)
                attribute.t.CopyFrom(numpy_helper.from_array(values, attribute.t.name))

    def _restore_outputs(self) -> None:
        for output in self.graph.output:
            if output.name not in self.lowered:
                continue
            inner = f"{output.name}_{self.half.dtype.name}"
            for node in self.nodes:
                _rename(node.input, output.name, inner)
                _rename(node.output, output.name, inner)
            cast = helper.make_node("Cast", [inner], [output.name], name=f"cast_{output.name}", to=TensorProto.FLOAT)
            self.nodes.append(cast)

    def _drop_unused_initializers(self) -> None:
        used = {name for node in self.nodes for name in node.input} | {o.name for o in self.graph.output}
        kept = [i for i in self.graph.initializer if i.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def _rename(names: MutableSequence[str], old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    return {name for name, code in element_types(model).items() if code == TensorProto.FLOAT}
