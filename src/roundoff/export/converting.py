"""TensorFlow graph → ONNX graph by tf2onnx; what it cannot write is refused by layer and operator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import onnx

from roundoff.errors import ConfigError, ExportError
from roundoff.export.corrections import corrected
from roundoff.export.tracing import Trace
from roundoff.graph.inside import all_nodes
from roundoff.model.base import OUTPUT_NAME


class Named(Protocol):
    """Knows what a user calls the place that an operator comes from."""

    def of(self, candidates: Iterable[str]) -> str | None: ...


def converted(trace: Trace, labels: Named, opset: int) -> onnx.ModelProto:
    """The ONNX graph of `trace`, its weights still inputs; ExportError names the operators that ONNX lacks."""
    import tf2onnx

    newest = max(tf2onnx.constants.OPSET_TO_IR_VERSION)
    if opset > newest:
        raise ConfigError(
            "export.opset is newer than tf2onnx can write",
            received=opset,
            expected=f"18 to {newest} with tf2onnx {tf2onnx.__version__}",
            fix=f"set export.opset={newest}",
        )
    names = {tensor: tensor.removesuffix(":0") for tensor in trace.inputs}
    model: onnx.ModelProto
    model, _ = tf2onnx.convert.from_graph_def(
        trace.graph,
        input_names=trace.inputs,
        output_names=[trace.output],
        opset=opset,
        custom_op_handlers={"Erfc": (_complement_of_erf, [])},
        tensors_to_rename={**names, trace.output: OUTPUT_NAME},
    )
    _refuse_unknown(model, labels)
    corrected(model)
    return model


def _complement_of_erf(graph: Any, node: Any, name: str, args: Any) -> None:
    """Erfc, which ONNX lacks, as 1 − Erf."""
    import numpy as np

    node.type = "Erf"
    one = graph.make_const(f"{name}/one", np.ones((), np.float32))
    shape, dtype = graph.get_shape(node.output[0]), graph.get_dtype(node.output[0])
    users = graph.find_output_consumers(node.output[0])
    less = graph.make_node(
        "Sub", [one.output[0], node.output[0]], name=f"{name}/complement", shapes=[shape], dtypes=[dtype]
    )
    graph.replace_all_inputs(node.output[0], less.output[0], ops=users)


def _refuse_unknown(model: onnx.ModelProto, labels: Named) -> None:
    """ExportError, unless every operator of the graph is one of ONNX's."""
    unknown = {
        f"{node.op_type} in {labels.of((node.name, *node.output, *node.input)) or 'the model itself'}": None
        for node in all_nodes(model.graph)
        if not onnx.defs.has(node.op_type, node.domain)
    }
    if not unknown:
        return
    raise ExportError(
        "The model holds operators that ONNX does not have",
        received="; ".join([*unknown][:8]),
        expected="layers whose operators tf2onnx can write as ONNX's",
        fix="replace these layers by others that compute the same",
    )
