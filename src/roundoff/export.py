"""Keras → ONNX: one FP32 graph that every precision starts from, checked against Keras on real images."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roundoff.artifact import sha256_of, whole_file
from roundoff.dataset.base import Images, Prepared
from roundoff.errors import ConfigError, DataError, GateError
from roundoff.framework import quiet_keras
from roundoff.graph_names import name_by_layer
from roundoff.limits import MOST_IMAGES
from roundoff.model.base import INPUT_NAME, OUTPUT_NAME
from roundoff.progress import track

if TYPE_CHECKING:
    import keras
    import onnx

Logits = NDArray[np.float32]
BATCH_DIMENSION = "N"
PARITY_BATCH = 64
NEWEST_OPSET = 99  # beyond any that there is


@dataclass(frozen=True)
class Export:
    """The ONNX opset, and how closely the graph must follow Keras on how many images of the training split.

    `tolerance` bounds ‖a − b‖ ÷ ‖b‖ over all logits (a: ONNX Runtime's, b: Keras'), and the gap, relative to the
    row's largest logit, below which two classes count as tied.
    """

    opset: int
    parity_images: int
    tolerance: float

    def __post_init__(self) -> None:
        checks = {
            "opset": (18 <= self.opset <= NEWEST_OPSET, f"18 or newer, up to {NEWEST_OPSET} if the converter knows it"),
            "parity_images": (1 <= self.parity_images <= MOST_IMAGES, f"at least 1, at most {MOST_IMAGES}"),
            "tolerance": (0 < self.tolerance < 1, "a number between 0 and 1"),
        }
        for key, (holds, expected) in checks.items():
            if not holds:
                raise ConfigError(
                    f"export.{key} is out of range",
                    received=getattr(self, key),
                    expected=expected,
                    fix=f"set export.{key} accordingly",
                )

    def onnx_from_keras(self, source: Path, prepared: Prepared, output: Path) -> dict[str, Any]:
        """Write the graph of the .keras file `source` to `output`, atomically; the same file gives the same bytes.

        Input `image` uint8 [N, H, W, C], output `logits` float32 [N, classes], batch norm folded into convolutions.
        Returns the parity figures and facts of the graph. Raises DataError for a model that does not fit the prepared
        dataset, and GateError where the graph's logits are not Keras'; then nothing is written.
        """
        network = load(source, prepared)
        model = cleaned(self._converted(network), [layer.name for layer in network.layers])
        serialized = model.SerializeToString(deterministic=True)
        images = prepared.calibration_images(min(self.parity_images, prepared.pool))
        figures = self._parity(network, serialized, images)
        with whole_file(output) as partial:
            partial.write_bytes(serialized)
        return {
            **figures,
            "opset": self.opset,
            "ir_version": model.ir_version,
            "nodes": dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
            "size_mb": len(serialized) / 1e6,
            "keras_sha256": sha256_of(source),
            "onnx_sha256": sha256_of(output),
        }

    def _converted(self, network: keras.Model) -> onnx.ModelProto:
        import tensorflow as tf
        import tf2onnx

        newest = max(tf2onnx.constants.OPSET_TO_IR_VERSION)
        if self.opset > newest:
            raise ConfigError(
                "export.opset is newer than tf2onnx can write",
                received=self.opset,
                expected=f"18 to {newest} with tf2onnx {tf2onnx.__version__}",
                fix=f"set export.opset={newest}",
            )
        signature = [tf.TensorSpec([None, *network.input_shape[1:]], tf.uint8, name=INPUT_NAME)]

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator, unused-ignore]
        def infer(image: Any) -> Any:
            return {OUTPUT_NAME: network(image, training=False)}

        model: onnx.ModelProto
        model, _ = tf2onnx.convert.from_function(infer, input_signature=signature, opset=self.opset)
        return model

    def _parity(self, network: keras.Model, serialized: bytes, images: Images) -> dict[str, Any]:
        batches = list(batched(images))
        expected = np.concatenate([np.asarray(network(batch, training=False)) for batch in track(batches, "Keras")])
        received = np.concatenate(list(onnx_logits(serialized, track(batches, "ONNX"))))
        error = relative_error(received, expected)
        mismatches, ties = argmax_differences(received, expected, self.tolerance)
        # Negated, so that a NaN fails too.
        if mismatches or not error <= self.tolerance:
            raise GateError(
                "The ONNX graph does not compute what the Keras model computes",
                received=f"relative error {error:.2e}, {mismatches} different classes on {len(images)} images",
                expected=f"relative error up to {self.tolerance:.0e} and the same class everywhere",
                fix="look for a layer that tf2onnx converts inexactly; raise export.tolerance only if you know why",
            )
        return {"relative_error": error, "argmax_mismatches": mismatches, "ties": ties, "images": len(images)}


def load(source: Path, prepared: Prepared) -> keras.Model:
    """The Keras model in `source`, on TensorFlow; DataError unless it fits the prepared dataset."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    keras = quiet_keras()
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            "Keras runs on a backend that tf2onnx cannot export from",
            received=keras.backend.backend(),
            expected="tensorflow (any backend may train)",
            fix="set KERAS_BACKEND=tensorflow for this process, or leave it unset",
        )
    if not source.is_file():
        raise DataError(
            "There is no Keras model to export", received=source, expected="a .keras file", fix="run the train stage"
        )
    network = keras.models.load_model(source, compile=False)
    _check_interface(network, prepared)
    return network


def _check_interface(network: keras.Model, prepared: Prepared) -> None:
    manifest = prepared.manifest
    wanted = [("uint8", (None, *manifest["shape"]))], [(None, len(manifest["classes"]))]
    found = (
        [(tensor.dtype, tuple(tensor.shape)) for tensor in network.inputs],
        [tuple(tensor.shape) for tensor in network.outputs],
    )
    if found != wanted:
        raise DataError(
            "The Keras model does not fit the prepared dataset",
            received=f"inputs {found[0]}, outputs {found[1]}",
            expected=f"inputs {wanted[0]}, outputs {wanted[1]}",
            fix="train the model on this dataset, with its preprocessing in the graph",
        )


def cleaned(model: onnx.ModelProto, layers: list[str]) -> onnx.ModelProto:
    """The graph with batch norm folded, named by Keras layers, with shapes, checked, and free of what nobody reads.

    ONNX Runtime's basic optimizations do the folding: they leave standard operators only.
    """
    import onnx

    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH_DIMENSION
    model = folded(model)
    name_by_layer(model, layers)
    _drop_unused(model)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph after ONNX Runtime's basic optimizations: scales and biases folded, transposes moved away."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(path)


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {node.domain for node in model.graph.node}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:], model.graph.value_info[:], model.metadata_props[:]
    model.opset_import.extend(kept)
    model.graph.name, model.graph.doc_string, model.doc_string = "model", "", ""


def batched(images: Images) -> Iterator[Images]:
    """The images in batches that fit any machine's memory."""
    for start in range(0, len(images), PARITY_BATCH):
        yield images[start : start + PARITY_BATCH]


def onnx_logits(serialized: bytes, batches: Iterator[Images]) -> Iterator[Logits]:
    """Logits float32 [n, classes] of each batch, by ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(serialized, providers=["CPUExecutionProvider"])
    for batch in batches:
        yield session.run([OUTPUT_NAME], {INPUT_NAME: batch})[0]


def relative_error(received: Logits, expected: Logits) -> float:
    """‖received − expected‖ ÷ ‖expected‖, Euclidean over all logits, in float64; infinite where only that is 0."""
    difference = float(np.linalg.norm(received.astype(np.float64) - expected))
    scale = float(np.linalg.norm(expected.astype(np.float64)))
    return difference / scale if scale > 0 else (0.0 if difference == 0 else float("inf"))


def argmax_differences(received: Logits, expected: Logits, tolerance: float) -> tuple[int, int]:
    """Rows whose argmax differs: (real mismatches, ties).

    A tie: the two classes' `expected` logits lie within `tolerance` times the row's largest magnitude.
    """
    ours, theirs = received.argmax(axis=1), expected.argmax(axis=1)
    rows = np.flatnonzero(ours != theirs)
    gaps = expected[rows, theirs[rows]] - expected[rows, ours[rows]]
    tied = int((gaps <= tolerance * np.abs(expected[rows]).max(axis=1)).sum()) if len(rows) else 0
    return len(rows) - tied, tied
