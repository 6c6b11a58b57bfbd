"""Methods of choosing ranges beside each other, on images and on such with a border of one level."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import numpy_helper

from benchmarks.zoo import study
from tests.support.calibration import network, pictures


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "IMAGES", 16)
    monkeypatch.setattr(study, "HELD_OUT", 32)
    images = pictures(200, 0)
    np.save(tmp_path / "train_images.npy", images)
    np.save(tmp_path / "train_labels.npy", np.arange(len(images)) % 4)
    manifest = {"shape": images.shape[1:], "classes": [*"abcd"], "calibration_indices": [*range(16)]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_every_method_has_an_error_on_every_kind_of_images(prepared):
    found = study.measured(network(), prepared, 0, backgrounds=True)
    assert found.keys() == {"images", "black", "white", "gray"}
    for errors in found.values():
        assert errors.keys() == {"entropy", "percentile, 99.999", "percentile, 99.99", "mse", "best", "minmax"}
        assert all(0 < error < 1 for error in errors.values())


def test_a_border_is_of_one_level_and_the_middle_stays(prepared, tmp_path):
    (tmp_path / "gray").mkdir()
    images = study.framed(prepared, tmp_path / "gray", 128).split("train").images
    height = images.shape[1] // 4
    assert (images[:, :height] == 128).all()
    np.testing.assert_array_equal(
        images[:, height:-height, height:-height],
        np.load(prepared / "train_images.npy")[:, height:-height, height:-height],
    )


def test_where_nothing_is_quantized_there_is_nothing_to_compare(prepared):
    model = network()
    products = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    for node in products[:-1]:  # the last layer stays in float: this is then all that is left
        node.op_type = "Identity"
        del node.input[1:], node.attribute[:]
    del model.graph.value_info[:]
    products[-1].input[1] = "narrow"
    narrow = np.ones((3, 10), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(narrow, "narrow"))
    assert study.measured(model, prepared, 0, backgrounds=True) == {}
