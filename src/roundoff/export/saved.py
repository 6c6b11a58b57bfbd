"""TensorFlow SavedModel → ONNX: as from Keras, but that operators bear TensorFlow's names."""

from __future__ import annotations

import functools
import gc
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from roundoff.dataset.base import Images, Prepared
from roundoff.errors import DataError
from roundoff.export.converting import converted
from roundoff.export.folding import with_weights
from roundoff.export.parity import Logits, batched, onnx_logits, parity
from roundoff.export.rounding import rounding_error
from roundoff.export.steps import cleaned, facts, refused_in_words, sources_of, whole
from roundoff.export.taken import OwnNames, name_nodes
from roundoff.export.tracing import RECURRENT_BYTES, Trace, frozen
from roundoff.graph.inside import bodies
from roundoff.model.base import INPUT_NAME, OUTPUT_NAME
from roundoff.results.preparation import SourceExport, as_manifest
from roundoff.system.files import sha256_of, whole_file
from roundoff.system.held_output import held_back_output
from roundoff.system.keras_import import quiet_keras
from roundoff.system.progress import track
from roundoff.system.said import said

LIFTED_BYTES = 1024
PREFIX = re.compile(r"^(StatefulPartitionedCall/|PartitionedCall/)+")  # TensorFlow's, of functions inside functions


def exported_saved(
    source: Path, prepared: Prepared, output: Path, opset: int, parity_images: int, tolerance: float
) -> SourceExport:
    """Write the graph of the SavedModel `source`, as the train stage left it, to `output`.

    See `Export.onnx_from_keras`.
    """
    quiet_keras()
    names = OwnNames()
    with tempfile.TemporaryDirectory(prefix="roundoff-export-") as directory, whole_file(output) as partial:
        images = prepared.calibration_images(min(parity_images, prepared.pool))
        _require_fit(source, prepared)
        with refused_in_words(names, "TensorFlow and tf2onnx"), held_back_output():
            expected, trace = _traced(source, images)
            path = with_weights(converted(trace, names, opset), trace.weights, Path(directory))
        del trace
        gc.collect()
        model = cleaned(path, names, name_plainly)
        source_sha256 = sha256_of(source)
        partial.write_bytes(whole(model, path.parent, sources_of(prepared, source_sha256)))
        with refused_in_words(names, "ONNX Runtime"):
            received = onnx_logits(partial, images)
        rounding = functools.partial(rounding_error, partial, images)
        figures = parity(received, expected, tolerance, rounding, source="the SavedModel")
    return SourceExport(**vars(facts(figures, model, output)), source_sha256=source_sha256)


def _require_fit(source: Path, prepared: Prepared) -> None:
    taken, answered = _interface(source)
    manifest = as_manifest(prepared.manifest)
    shape, wanted = tuple(taken.shape)[1:], tuple(manifest.shape)
    if shape == wanted and answered.shape[-1] in (None, len(manifest.classes)):
        return
    raise DataError(
        "The SavedModel does not fit the prepared dataset",
        received=f"a model of images {shape}, with {answered.shape[-1]} answers",
        expected=f"images {wanted} and {len(manifest.classes)} classes, as prepared",
        fix="run the stages from train on for these images (`dvc repro`)",
    )


def _interface(source: Path) -> tuple[Any, Any]:
    """What the SavedModel takes and answers; DataError for one that does not load, or has other names for them."""
    import tensorflow as tf

    try:
        function = tf.saved_model.load(str(source)).signatures["serving_default"]
        return function.structured_input_signature[1][INPUT_NAME], function.structured_outputs[OUTPUT_NAME]
    except Exception as error:  # TensorFlow raises what its reading does
        raise DataError(
            f"{source} holds no SavedModel that can be exported",
            received=said(error),
            expected=f"one with a signature serving_default from {INPUT_NAME} to {OUTPUT_NAME}, as the train stage "
            "leaves it",
            fix="run it again: `dvc repro -f train`",
        ) from error


def _traced(source: Path, images: Images) -> tuple[Logits, Trace]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(source))
    function = loaded.signatures["serving_default"]
    batches = track(batched(images), "SavedModel")
    expected = np.concatenate([np.asarray(function(image=tf.constant(batch))[OUTPUT_NAME]) for batch in batches])
    return expected, _lifted(frozen(function, {}))


def _lifted(trace: Trace) -> Trace:
    """The graph with its large constants as inputs, so that no converter has to carry them."""
    import tensorflow as tf

    nodes = [node for node in trace.graph.node if node.op == "Const"]
    constants = {node.name: tf.make_ndarray(node.attr["value"].tensor) for node in nodes}
    lifted = {name: value for name, value in constants.items() if value.nbytes > LIFTED_BYTES and value.ndim > 1}
    if sum(value.nbytes for value in lifted.values()) <= RECURRENT_BYTES:
        return trace
    weights = {}
    for node in trace.graph.node:
        if node.name in lifted:
            value = weights[node.name] = lifted[node.name]
            kind = tf.as_dtype(value.dtype)
            node.op = "Placeholder"
            node.attr.clear()
            node.attr["dtype"].type = kind.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
    inputs = [*trace.inputs, *(f"{name}:0" for name in weights)]
    return Trace(trace.graph, inputs, trace.output, weights)


def name_plainly(model: onnx.ModelProto) -> None:
    """Name nodes and tensors, in place, without the names of the functions around them."""
    graph = model.graph
    taken = {value.name for value in (*graph.input, *graph.output)}
    names: dict[str, str] = {}
    for name in (*(tensor.name for tensor in graph.initializer), *(n for node in graph.node for n in node.output)):
        plain = PREFIX.sub("", name).removesuffix(":0")
        if name not in taken and plain not in taken:
            names[name] = plain
            taken.add(plain)
    _renamed(graph, names)
    del graph.value_info[:]
    name_nodes(model)


def _renamed(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        node.name = PREFIX.sub("", node.name)
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for body in bodies(node):
            _renamed(body, names)
