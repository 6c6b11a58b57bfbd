"""The FP32 graph that export wrote, read by the stages after it: whole, valid and by itself, or refused in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import onnx

from roundoff.errors import DataError
from roundoff.graph.queries import SEAL, model_hash, sealed_with

# Protobuf's limit for one file
LARGEST_BYTES = 1 << 31
HALF_BYTES = (onnx.TensorProto.INT4, onnx.TensorProto.UINT4, onnx.TensorProto.FLOAT4E2M1)


def seal(model: onnx.ModelProto) -> None:
    """Write into the model, in place, the hash of its content, instead of one that it had before it was changed."""
    _unsealed(model)
    model.metadata_props.add(key=SEAL, value=model_hash(model))


def read_graph(path: Path, stage: str = "export") -> onnx.ModelProto:
    """The graph in `path`, without its seal; DataError where it is none, or not the one that was sealed.

    It has no weights in other files and no functions, and ONNX's own operators alone; ONNX's checker takes it. One that
    another program wrote has no seal, and may hold no Loop: nobody knows that it ends. `stage` is the one that writes
    it, for the error.
    """
    try:
        model = _parsed(path)
        wrong = next(_faults(model), None)
        if wrong is None:
            onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # protobuf and ONNX's checker raise what their implementations do
        lines = str(error).strip().splitlines() or ["no message"]
        raise _unfit(path, f"{type(error).__name__}: {lines[0]}", stage) from error
    if wrong is not None:
        raise _unfit(path, wrong, stage)
    _unsealed(model)
    return model


def _unsealed(model: onnx.ModelProto) -> None:
    kept = [entry for entry in model.metadata_props if entry.key != SEAL]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)


def _parsed(path: Path) -> onnx.ModelProto:
    if path.stat().st_size >= LARGEST_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes")
    return onnx.load(path, load_external_data=False)


def _faults(model: onnx.ModelProto) -> Iterator[str]:
    """Why the graph is none that a stage wrote, each in words."""
    seal = sealed_with(model)
    if seal is not None and seal != model_hash(model):
        yield f"content whose SHA-256 is not {seal[:12]}…, which it was written with"
    if not model.graph.input or not model.graph.output or not model.graph.node:
        counts = len(model.graph.input), len(model.graph.node), len(model.graph.output)
        yield "{} inputs, {} operators and {} outputs".format(*counts)
    for values in (model.graph.input, model.graph.output):
        if len({value.name for value in values}) < len(values):
            yield f"two inputs or outputs of the name {values[0].name}"
    if model.graph.sparse_initializer:
        yield "a sparse weight"
    if model.functions:
        yield f"the function {model.functions[0].domain}.{model.functions[0].name}"
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            yield f"the weight {tensor.name} in another file"
        elif tensor.HasField("raw_data") and len(tensor.raw_data) != _bytes(tensor):
            yield f"{len(tensor.raw_data)} bytes for the weight {tensor.name} {list(tensor.dims)}"
    versions = {entry.domain: entry.version for entry in model.opset_import}
    if versions.get("", 1) > onnx.defs.onnx_opset_version():
        yield f"operator set {versions['']}, newer than onnx {onnx.__version__} knows"
    for node in _nodes(model.graph):
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, versions.get("", 1)):
            yield f"the operator {node.domain or 'ai.onnx'}.{node.op_type}"
        if node.op_type == "Loop" and seal is None:
            yield "the operator ai.onnx.Loop in a graph that no stage wrote"


def _bytes(tensor: onnx.TensorProto) -> int:
    """How many bytes the values of a tensor take; two values of 4 bits share one."""
    values = int(math.prod(tensor.dims))
    if tensor.data_type in HALF_BYTES:
        return -(-values // 2)
    return values * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _nodes(body)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else attribute.tensors
            for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _tensors(body)


def _unfit(path: Path, received: str, stage: str) -> DataError:
    return DataError(
        f"{path} is no ONNX graph that can be run",
        received=received,
        expected="one from images to a number per class, of ONNX's own operators, with its weights inside, unchanged "
        "since it was written",
        fix=f"run the stage that writes it again: `dvc repro -f {stage}`",
    )
