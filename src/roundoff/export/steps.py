"""Keras → ONNX: one FP32 graph that every precision starts from, checked against Keras on real images."""

from __future__ import annotations

import functools
import gc
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import onnx

from roundoff.dataset.base import Images, Prepared
from roundoff.errors import ExportError, RoundoffError
from roundoff.export.composites import composed
from roundoff.export.converting import converted
from roundoff.export.divergence import parting_layer
from roundoff.export.folding import cast_first, drop_idle_reshapes, folded, with_weights
from roundoff.export.layers import Labels
from roundoff.export.naming import name_by_layer
from roundoff.export.parity import Logits, Parity, keras_logits, onnx_logits, parity
from roundoff.export.products import whole_sequences
from roundoff.export.rounding import rounding_error
from roundoff.export.shapes import written_shapes
from roundoff.export.source import load
from roundoff.export.tracing import traced
from roundoff.graph.provenance import write_provenance
from roundoff.graph.reading import seal
from roundoff.results.preparation import ExportMetrics, KerasExport
from roundoff.system.files import sha256_of, whole_file
from roundoff.system.held_output import held_back_output
from roundoff.system.said import said

BATCH_DIMENSION = "N"


class Spoken(Protocol):
    """Puts the names that a user knows into a message of a library."""

    def spoken(self, text: str) -> str: ...


def exported(
    source: Path, prepared: Prepared, output: Path, opset: int, parity_images: int, tolerance: float
) -> KerasExport:
    """See `Export.onnx_from_keras`."""
    with tempfile.TemporaryDirectory(prefix="roundoff-export-") as directory, whole_file(output) as partial:
        images, expected, labels, path = _traced(source, prepared, Path(directory), opset, parity_images)
        gc.collect()  # Keras' copy of the weights, before there is another
        model = cleaned(path, labels, functools.partial(name_by_layer, labels=labels))
        source_sha256 = sha256_of(source)
        partial.write_bytes(whole(model, path.parent, sources_of(prepared, source_sha256)))

        def parting(error: float) -> str | None:
            with suppress(Exception):  # it only adds to the error, and must not take its place
                return parting_layer(load(source, prepared), onnx.load(partial), images[:1], error)
            return None

        with refused_in_words(labels, "ONNX Runtime"):
            received = onnx_logits(partial, images)
        figures = parity(received, expected, tolerance, lambda: rounding_error(partial, images), parting)
    return KerasExport(**vars(facts(figures, model, output)), keras_sha256=source_sha256)


def facts(figures: Parity, model: onnx.ModelProto, output: Path) -> ExportMetrics:
    """What the metrics say of an export: its parity, and what the graph in `output` is made of."""
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return ExportMetrics(
        relative_error=figures.relative_error,
        argmax_mismatches=figures.argmax_mismatches,
        ties=figures.ties,
        images=figures.images,
        opset=opset,
        ir_version=model.ir_version,
        nodes=dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
        size_mb=output.stat().st_size / 1e6,
        onnx_sha256=sha256_of(output),
    )


def _traced(
    source: Path, prepared: Prepared, directory: Path, opset: int, parity_images: int
) -> tuple[Images, Logits, Labels, Path]:
    """Images and Keras' logits for them, its layers' names, and the graph's file; Keras' model is free then."""
    network = load(source, prepared)
    images = prepared.calibration_images(min(parity_images, prepared.pool))
    labels = Labels(network)
    with refused_in_words(labels, "Keras"):
        expected = keras_logits(network, images)
    with refused_in_words(labels, "TensorFlow and tf2onnx"), held_back_output():
        trace = traced(network)
        path = with_weights(converted(trace, labels, opset), trace.weights, directory)
    return images, expected, labels, path


def cleaned(path: Path, labels: Spoken, name: Callable[[onnx.ModelProto], None]) -> onnx.ModelProto:
    """The graph with batch norm folded, shapes written down, named by `name`, checked, and free of what nobody reads.

    ONNX Runtime's basic optimizations do the folding: they leave standard operators only. Large weights stay in a file
    beside `path`.
    """
    with refused_in_words(labels, "ONNX Runtime"), held_back_output():
        model = folded(path)
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = BATCH_DIMENSION
        cast_first(model)
        written_shapes(model)
        model = onnx.shape_inference.infer_shapes(model)
        drop_idle_reshapes(model)
        whole_sequences(model)
        composed(model)
        name(model)
        _drop_unused(model)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        checked = path.with_name("checked.onnx")
        onnx.save(model, checked)
        onnx.checker.check_model(checked, full_check=True)
    return model


def sources_of(prepared: Prepared, model_sha256: str) -> dict[str, str]:
    """The hashes of what a graph is made from; images that lie in no folder, as a script's may, have none."""
    data = getattr(prepared, "sha256", None)
    return {"model": model_sha256} | ({"data": data} if data else {})


def whole(model: onnx.ModelProto, directory: Path, sources: Mapping[str, str]) -> bytes:
    """The graph's file, with all weights and the hashes of its `sources` and of its content."""
    filled = onnx.ModelProto()
    filled.CopyFrom(model)
    onnx.load_external_data_for_model(filled, str(directory))
    write_provenance(filled, sources)
    seal(filled)
    serialized: bytes = filled.SerializeToString(deterministic=True)
    return serialized


@contextmanager
def refused_in_words(labels: Spoken, who: str) -> Iterator[None]:
    """Turn what libraries raise into an ExportError with layers' names."""
    try:
        yield
    except RoundoffError:
        raise
    except Exception as error:  # they raise whatever their parts do
        raise ExportError(
            f"{who} cannot convert the model",
            received=labels.spoken(said(error)),
            expected="layers that can be traced, whose operators ONNX has",
            fix="replace the layer that is named, or the custom layer last added, by Keras' own that computes the same",
        ) from error


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {node.domain for node in model.graph.node}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:], model.metadata_props[:]
    model.opset_import.extend(kept)
    model.graph.name, model.graph.doc_string, model.doc_string = "model", "", ""
