"""A small convolutional network in three precisions on ONNX Runtime, built and evaluated."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roundoff.backend.base import Backend
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.cells.inputs import Inputs
from roundoff.cells.store import build_cell
from roundoff.dataset.base import Prepared
from roundoff.errors import Unavailable
from roundoff.measurement.evaluate import Evaluation
from roundoff.precision.base import Precision
from roundoff.precision.fp32 import Fp32
from roundoff.results.build import BuildInfo
from roundoff.results.platform import Platform
from roundoff.system.files import write_json

QUICK = Evaluation(
    batch_sizes=[1, 4],
    warmup_ms=1,
    warmup_runs=2,
    min_loads=6,
    min_seconds=0.02,
    rounds_per_load=1,
    budget_seconds=0.3,
    input_buffers=2,
)
STRICT = replace(QUICK, strict=True)
CLASSES, SIDE, COUNT = 4, 8, 200


@dataclass(frozen=True)
class HalfWeights(Precision):
    """Weights rounded to half precision; computing stays in float32."""

    weights = "float16"
    activations = "float32"

    def convert(self, model, grid, table):
        converted = onnx.ModelProto()
        converted.CopyFrom(model)
        for tensor in converted.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.dtype == np.float32:
                rounded = values.astype(np.float16).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
        return converted


def gpu_of_process():
    """A GPU named after what the process may see; "cpu" where nothing is said of GPUs."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"GPU-{visible}" if visible else "cpu"


@dataclass(frozen=True)
class OnGpus(OnnxRuntime):
    """Says that it runs on the GPU of its process."""

    on_gpu = True

    def load(self, directory):
        runner = super().load(directory)
        runner.device = gpu_of_process()
        return runner


@dataclass(frozen=True)
class Nowhere(Backend):
    """A backend whose engines cannot run on this machine."""

    artifact = "model.onnx"

    def refusal(self, precision):
        return None

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(b"engine")
        return BuildInfo()

    def load(self, directory):
        raise Unavailable("no such device here")


def images_and_labels(seed):
    """A bright quadrant in noise: the quadrant is the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, COUNT)
    images = random.integers(0, 130, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
    half = SIDE // 2
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[row * half : (row + 1) * half, column * half : (column + 1) * half] += 50
    return images, labels.astype(np.int64)


def network(trained):
    """uint8 NHWC → convolution, ReLU, mean per quadrant → logits; weights fit by least squares, or left random."""
    random = np.random.default_rng(0)
    kernel = random.normal(size=(6, 3, 3, 3)).astype(np.float32) / 255
    images, labels = images_and_labels(1)
    weights = random.normal(size=(6 * 4, CLASSES)).astype(np.float32)
    model = graph(kernel, weights)
    if trained:
        import onnxruntime as ort

        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (features,) = session.run(["features"], {"image": images})
        weights = np.linalg.lstsq(features, np.eye(CLASSES)[labels], rcond=None)[0].astype(np.float32)
        model = graph(kernel, weights)
    else:
        model = graph(kernel, np.zeros_like(weights) + np.array([1, 0, 0, 0], np.float32))
    return model


def graph(kernel, weights):
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("AveragePool", ["relu"], ["pool"], kernel_shape=[SIDE // 2] * 2, strides=[SIDE // 2] * 2),
        helper.make_node("Flatten", ["pool"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 24]),
    ]
    tensors = [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(weights, "weights")]
    made = helper.make_graph(nodes, "quadrants", inputs, outputs, tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


BACKENDS = {"onnxruntime": OnnxRuntime(threads=1), "nowhere": Nowhere()}
PRECISIONS = {"fp32": Fp32(), "fp16": HalfWeights(), "half": HalfWeights()}
PLATFORM = Platform(id="test", libraries={"onnxruntime": "any"})


def prepare(directory):
    images, labels = images_and_labels(2)
    directory.mkdir()
    np.save(directory / "test_images.npy", images)
    np.save(directory / "test_labels.npy", labels)
    write_json(directory / "manifest.json", {"classes": [str(name) for name in range(CLASSES)]})
    return Prepared(directory)


def build(root, trained=True, precisions=PRECISIONS, backends=BACKENDS):
    source = root / "model.onnx"
    onnx.save(network(trained), source)
    inputs = Inputs(source, source, None, np.zeros((1, SIDE, SIDE, 3), np.uint8), PLATFORM)
    for precision, rewrite in precisions.items():
        for name, backend in backends.items():
            build_cell(name, backend, precision, rewrite, inputs, root / "engines" / precision / name)


def run(root: Path, evaluation=QUICK, backends=BACKENDS):
    """The cells' metrics by name."""
    built = [path.name for path in (root / "engines").iterdir()]
    measured = evaluation.run(
        engines=root / "engines",
        precisions={name: Fp32() if name == "fp32" else HalfWeights() for name in built},
        backends=backends,
        prepared=Prepared(root / "data"),
        platform=PLATFORM,
        metrics=root / "metrics",
        predictions=root / "predictions",
        timings=root / "timings",
    )
    return measured.cells
