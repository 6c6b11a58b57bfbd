"""An ONNX file read as a stranger's: whole, standard, in float32, or refused in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import onnx.inliner

from roundoff.errors import ConfigError, DataError
from roundoff.model.taking.quantized import quantized_already, refuse_tflite

OLDEST_OPSET = 11
# Protobuf's limit for one file, less what the graph takes without its weights.
LARGEST_BYTES = (1 << 31) - (64 << 20)
QUANTIZED = re.compile(r"(De|Dynamic)?[Qq]uantize(Linear|BFP)?|QLinear\w+|(Conv|MatMul)Integer\w*|QAttention|QGemm")
REDUCED = {onnx.TensorProto.FLOAT16: "float16", onnx.TensorProto.BFLOAT16: "bfloat16"}


def read(path: Path, key: str = "model") -> onnx.ModelProto:
    """The float32 model in `path`, its weights inside and its functions inlined, of operator set 11 or newer.

    Raises ConfigError where there is no file; DataError for one that is no ONNX model, that lacks its weights' files,
    that is larger than 2 GB, quantized already, in 16 bits, or that holds operators that ONNX does not have. `key` is
    the section of the configuration that named the path.
    """
    model = read_quantized(path, key)
    _refuse_quantized(path, model)
    _refuse_operators(path, model, ())
    _refuse_reduced(path, model)
    return model


def read_quantized(path: Path, key: str) -> onnx.ModelProto:
    """As `read`, but that it may be quantized already, in 16 bits, and of ONNX Runtime's operators."""
    model = _opened(path, key)
    _refuse_large(path, model)
    _refuse_old(path, model)
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx raises its own, and what files raise
        raise DataError(
            f"{path} has weights in another file that cannot be read",
            received=_first_line(error),
            expected=f"{', '.join(sorted(_files(model)))} beside it, as the exporter wrote them",
            fix="put the files beside the model, or save it as one: onnx.save(onnx.load(PATH), NEW)",
        ) from error
    inlined: onnx.ModelProto = onnx.inliner.inline_local_functions(model) if model.functions else model
    _refuse_operators(path, inlined, ("com.microsoft",))
    _open_negative_sizes(inlined)
    return inlined


def _opened(path: Path, key: str) -> onnx.ModelProto:
    if not path.is_file():
        raise ConfigError(
            f"{key}.path names no file",
            received=path,
            expected="an ONNX file",
            fix=f"set {key}.path=PATH, absolute, since experiments run in a copy of the project",
        )
    refuse_tflite(path)
    if path.stat().st_size > LARGEST_BYTES:
        raise _too_large(path, path.stat().st_size)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises what its implementation does
        raise _unreadable(path, _first_line(error)) from error
    if not model.graph.node:
        raise _unreadable(path, "a model without operators")
    return model


def _open_negative_sizes(model: onnx.ModelProto) -> None:
    """Some exporters (Paddle's) write −1 for a size that is open, where ONNX wants none."""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.HasField("dim_value") and size.dim_value < 1:
                size.ClearField("dim_value")


def _refuse_large(path: Path, model: onnx.ModelProto) -> None:
    size = path.stat().st_size + sum(length for _, length in _external(path, model))
    if size > LARGEST_BYTES:
        raise _too_large(path, size)


def _external(path: Path, model: onnx.ModelProto) -> Iterator[tuple[str, int]]:
    """Of each weight in another file the file's name and the weight's bytes."""
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            told = {entry.key: entry.value for entry in tensor.external_data}
            name = told.get("location", "")
            beside = path.parent / name
            whole = beside.stat().st_size if beside.is_file() else 0
            yield name, int(told["length"]) if told.get("length", "").isdigit() else whole


def _files(model: onnx.ModelProto) -> set[str]:
    return {name for name, _ in _external(Path(), model)}


def _refuse_old(path: Path, model: onnx.ModelProto) -> None:
    version = opset_of(model)
    if version < OLDEST_OPSET:
        raise DataError(
            f"{path} is of an ONNX operator set that is too old",
            received=f"opset {version}",
            expected=f"opset {OLDEST_OPSET} or newer",
            fix="export it again with a newer opset_version, or convert it: onnx.version_converter.convert_version",
        )


def _refuse_quantized(path: Path, model: onnx.ModelProto) -> None:
    nodes = all_nodes(model.graph)
    quantized = [f"{node.op_type} {node.name}".strip() for node in nodes if QUANTIZED.fullmatch(node.op_type)]
    if quantized:
        raise quantized_already(path, f"{len(quantized)} operators such as {quantized[0]}")


def _refuse_operators(path: Path, model: onnx.ModelProto, others: Sequence[str]) -> None:
    """DataError for operators that are neither ONNX's nor of the domains `others`."""
    nodes = [node for node in all_nodes(model.graph) if node.domain not in others]
    versions = {entry.domain: entry.version for entry in model.opset_import}
    strange = {
        f"{node.domain or 'ai.onnx'}.{node.op_type} {node.name}".strip(): None
        for node in nodes
        if not onnx.defs.has(node.op_type, versions.get(node.domain, 1), node.domain) or node.domain == "ai.onnx.ml"
    }
    if strange:
        raise DataError(
            f"{path} holds operators that ONNX's neural networks do not have",
            received="; ".join([*strange][:8]),
            expected="operators of ONNX's own domain, which every runtime knows",
            fix="export it again without a runtime's optimizations (com.microsoft is ONNX Runtime's), and with custom "
            "layers replaced",
        )


def _refuse_reduced(path: Path, model: onnx.ModelProto) -> None:
    reduced = [tensor for tensor in model.graph.initializer if tensor.data_type in REDUCED and len(tensor.dims) > 1]
    if reduced:
        raise DataError(
            f"{path} is in a 16-bit type already",
            received=f"{len(reduced)} weights such as {reduced[0].name} in {REDUCED[reduced[0].data_type]}",
            expected="weights in float32: roundoff makes the 16-bit precisions from it, and judges them against it",
            fix="export it in float32: model.float() in PyTorch",
        )


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's default operator set that the model uses."""
    versions = {entry.domain: int(entry.version) for entry in model.opset_import}
    return versions.get("", versions.get("ai.onnx", 1))


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of all graphs inside it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from all_nodes(body)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _unreadable(path: Path, received: str) -> DataError:
    return DataError(
        f"{path} is no ONNX model",
        received=received,
        expected="a file as torch.onnx.export, tf2onnx or onnx.save write it",
        fix="export the model again; a .keras or .h5 file is model=keras_file",
    )


def _too_large(path: Path, size: int) -> DataError:
    return DataError(
        f"{path} is too large for one ONNX file",
        received=f"{size / 1e9:.2f} GB with its weights",
        expected=f"at most {LARGEST_BYTES / 1e9:.2f} GB, the limit of its format",
        fix="use a smaller model",
    )
