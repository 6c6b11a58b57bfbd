"""A small residual network and a prepared dataset of ten classes, made from seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.dataset.base import Prepared
from roundoff.graph.queries import with_outputs
from roundoff.graph.sessions import session_options

CLASSES = 10


def network(seed: int = 0, width: int = 8) -> onnx.ModelProto:
    """image uint8 [N, 12, 12, 3] → rescaled → two Convs with a projected shortcut → mean → Gemm → logits [N, 10].

    The first Conv has `width` channels."""
    random = np.random.default_rng(seed)
    constants: dict[str, np.ndarray] = {
        "factor": np.array([0.016, 0.0161, 0.015], np.float32),
        "offset": np.array([-2.0, -1.99, -1.7], np.float32),
        "w1": (random.normal(size=(width, 3, 3, 3)) / 4).astype(np.float32),
        "b1": random.normal(size=width).astype(np.float32),
        "w2": (random.normal(size=(16, width, 3, 3)) / width).astype(np.float32),
        "w3": (random.normal(size=(16, width, 1, 1)) / 3).astype(np.float32),
        "axes": np.array([2, 3], np.int64),
        "dense": random.normal(size=(16, CLASSES)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "factor"], ["scaled"], "mul"),
        helper.make_node("Add", ["scaled", "offset"], ["centred"], "add"),
        helper.make_node("Transpose", ["centred"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "w1", "b1"], ["conv1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"], "relu1"),
        helper.make_node("Conv", ["relu1", "w3"], ["projected"], "projection"),
        helper.make_node("Conv", ["relu1", "w2"], ["conv2"], "conv2", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Add", ["projected", "conv2"], ["sum"], "skip"),
        helper.make_node("Relu", ["sum"], ["relu2"], "relu2"),
        helper.make_node("ReduceMean", ["relu2", "axes"], ["features"], "mean", keepdims=0),
        helper.make_node("Gemm", ["features", "dense"], ["logits"], "dense"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 12, 12, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def pictures(count: int, seed: int) -> np.ndarray:
    """Images uint8 [count, 12, 12, 3], redder than blue, with their own brightness each."""
    random = np.random.default_rng(seed)
    tint = np.array([15, 0, -15]) + random.normal(scale=25, size=(count, 1, 1, 1))
    return np.clip(random.normal(125, 55, (count, 12, 12, 3)) + tint, 0, 255).astype(np.uint8)


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(network(), path)
    return path


@pytest.fixture
def prepared(tmp_path) -> Prepared:
    return write_prepared(tmp_path)


def write_prepared(folder: Path, train: int = 300) -> Prepared:
    """Pictures of ten classes with so many for training, two of which are said to be test images."""
    directory = folder / "prepared"
    directory.mkdir()
    statistics = {}
    for seed, (split, count) in enumerate({"train": train, "test": 100}.items()):
        images = pictures(count, seed)
        np.save(directory / f"{split}_images.npy", images)
        np.save(directory / f"{split}_labels.npy", np.arange(count, dtype=np.int64) % CLASSES)
        pixels = images.reshape(-1, 3)
        statistics[split] = {"channel_mean": pixels.mean(0).tolist(), "channel_std": pixels.std(0).tolist()}
    manifest = {
        "classes": [str(number) for number in range(CLASSES)],
        "test": statistics["test"],
        "seed": 3,
        "duplicates": {"count": 2, "train_indices": [7, 250]},
        "calibration_indices": [i for i in np.random.default_rng(0).permutation(train).tolist() if i not in (7, 250)],
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(directory)


def outputs(model, names, images):
    """What ONNX Runtime computes for these tensors, by their names."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        with_outputs(model, names).SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
    )
    return dict(zip(names, session.run(names, {"image": images}), strict=True))
