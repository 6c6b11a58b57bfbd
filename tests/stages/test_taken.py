"""A classifier from an ONNX file through all stages: a row on each backend, or the reason why there is none."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.dataset.digits import Digits


def linear_classifier(path):
    """Fitted to the training digits' gray pixels, −1 to 1, as [1, 1, 8, 8], the way PyTorch would export it."""
    with Digits(size=8, channels=1).open() as opened:
        images, labels = map(np.array, zip(*opened.read("train"), strict=True))
    rows = np.hstack([images.reshape(len(images), -1) / 127.5 - 1, np.ones((len(images), 1))])
    solved = np.linalg.lstsq(rows, 2.0 * np.eye(10)[labels] - 1, rcond=None)[0].T.astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["input.1", "flat"], ["f"], "/Flatten"),
            helper.make_node("Gemm", ["f", "fc.weight", "fc.bias"], ["z"], "/fc/Gemm", transB=1),
            helper.make_node("Softmax", ["z"], ["8"], "/Softmax", axis=1),
        ],
        "torch_jit",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("8", TensorProto.FLOAT, [1, 10])],
        [
            numpy_helper.from_array(np.array([1, 64]), "flat"),
            numpy_helper.from_array(solved[:, :-1].copy(), "fc.weight"),
            numpy_helper.from_array(solved[:, -1].copy(), "fc.bias"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


@pytest.mark.slow  # a pipeline of its own
def test_an_onnx_file_goes_through_all_stages(make_project, tmp_path):
    project = make_project()
    linear_classifier(tmp_path / "digits.onnx")
    taken = ("model=onnx_file", f"model.path={tmp_path / 'digits.onnx'}", "dataset.size=8", "dataset.channels=1")
    few = ("calibrate.images=64", "calibrate.held_out=32", "evaluate.batch_sizes=[1]", "train.shift_pixels=0")
    project.params(*taken, *few, "model.scale=1/255", "backend=[onnxruntime,litert]")
    run = project.dvc("repro", "train")
    assert "not fed as it was trained" in run.stdout + run.stderr
    assert "set model.scale=1/127.5 model.offset=-1" in run.stdout + run.stderr
    project.params(*taken, *few, "model.scale=1/127.5", "model.offset=-1", "backend=[onnxruntime,litert]")
    project.repro()
    assert project.metrics("train")["val_accuracy"] > 0.8
    cells = project.metrics("fp32")
    assert cells["onnxruntime"]["accuracy"]["top1"] > 0.8
    assert cells["litert"]["status"] == "unavailable"
    assert cells["litert"]["reason"]["code"] == "no_keras_but_onnx"
