"""Graphs that another tool has quantized, through all stages: a row each, whose stage alone depends on its file."""

import re
import shutil

import numpy as np
import onnx
import pytest

from roundoff.dataset.digits import Digits
from tests.stages.test_taken import linear_classifier
from tests.support.quantized import quantized_by_onnxruntime

FEW = ("calibrate.images=64", "calibrate.held_out=32", "evaluate.batch_sizes=[1]", "train.shift_pixels=0")
YAML = "conf/precision/given.yaml"


def inputs():
    """The first training digits as the classifier takes them, float32 [n, 1, 8, 8]."""
    with Digits(size=8, channels=1).open() as opened:
        images = [image for (image, _), _ in zip(opened.read("train"), range(200), strict=False)]
    return (np.array(images) / 127.5 - 1).astype(np.float32).transpose(0, 3, 1, 2)


def tflite_of(model, path):
    """The classifier's weights in a Keras model, converted to int8 throughout."""
    import keras
    import tensorflow as tf

    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    image = keras.Input((8, 8, 1))
    dense = keras.layers.Dense(10, activation="softmax")
    network = keras.Model(image, dense(keras.layers.Flatten()(image)))
    dense.set_weights([weights["fc.weight"].T, weights["fc.bias"]])
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each.transpose(1, 2, 0)[None]] for each in inputs())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


@pytest.mark.slow  # a pipeline of its own
def test_given_graphs_are_rows_like_others(make_project, tmp_path):
    project, model = make_project(), tmp_path / "digits.onnx"
    linear_classifier(model)
    quantized_by_onnxruntime(onnx.load(model), inputs(), tmp_path / "quantized.onnx")
    tflite_of(onnx.load(model), tmp_path / "quantized.tflite")
    second = project.folder / "conf/precision/given_litert.yaml"
    second.write_text((project.folder / YAML).read_text().replace("given.given\n", "given.given_litert\n"))
    project.params(
        "model=onnx_file",
        f"model.path={model}",
        "dataset.size=8",
        "dataset.channels=1",
        "model.scale=1/127.5",
        "model.offset=-1",
        *FEW,
        "backend=[onnxruntime,litert]",
        "precision=[fp32,fp16,int8,given,given_litert]",
        f"given.given.path={tmp_path / 'quantized.onnx'}",
        f"given.given_litert.path={tmp_path / 'quantized.tflite'}",
    )
    project.repro()
    rows = project.metrics("more")
    measured = {"given": "onnxruntime", "given_litert": "litert"}
    reasons = {"given": "given_is_onnx", "given_litert": "given_is_tflite"}
    for name, backend in measured.items():
        (other,) = {"onnxruntime", "litert"} - {backend}
        assert rows[name][backend]["status"] == "measured"
        assert rows[name][backend]["accuracy"]["top1"] > 0.8
        assert rows[name][backend]["accuracy"]["agreement"] > 0.9
        assert rows[name][backend]["effective_precision"] == name
        assert rows[name][other]["status"] == "unavailable"
        assert rows[name][other]["reason"]["code"] == reasons[name]
    assert set(project.metrics("verdict")["cells"]) >= {"given/onnxruntime", "given_litert/litert"}
    assert project.metrics("build-given")["onnxruntime"]["size_mb"] < 0.01
    report = (project.folder / "metrics/report.md").read_text()
    assert re.search(r"^\| (\*\*★ )?given[^|]* / onnxruntime", report, re.M)
    assert "the given graph is an ONNX file" in report
    assert "another tool has quantized it: quantized.tflite" in report
    shutil.copy(model, tmp_path / "quantized.onnx")  # which is no longer quantized
    planned = project.dvc("repro", "--dry").stdout
    built = {name for name in ("fp32", "int8", "given", "given_litert") if f"build.precision={name}\n" in planned}
    assert built == {"given"}
    run = project.dvc("repro")
    assert run.returncode != 0
    assert "quantized.onnx is not quantized" in run.stdout + run.stderr
    (tmp_path / "quantized.onnx").unlink()
    run = project.dvc("repro")
    assert run.returncode != 0
    assert "given.given.path names no file" in run.stdout + run.stderr
    assert (project.folder / "models/trained/model.onnx").exists()
