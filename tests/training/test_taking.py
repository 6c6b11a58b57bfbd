"""A taken model is tried on held-out training images: its accuracy, and whether it is fed as it was trained."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.dataset.base import Prepared
from roundoff.errors import GateError
from roundoff.model.onnx_file import OnnxFile
from roundoff.model.taking.preprocessing import Preprocessing
from roundoff.training.preprocessings import USUAL, better_preprocessing, candidates
from roundoff.training.taking import take

CLASSES = ("blue", "dark", "green", "red")
IMAGENET = {"scale": "1/255", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Images of a colour each, with noise."""
    directory = tmp_path_factory.mktemp("prepared")
    random = np.random.default_rng(0)
    labels = np.arange(400) % 4
    colours = np.array([[70, 80, 150], [50, 50, 60], [90, 150, 80], [160, 90, 80]])
    mixed = colours[labels] + random.normal(0, 25, (400, 3))  # classes overlap: near the borders little is enough
    images = np.clip(mixed[:, None, None] + random.normal(0, 30, (400, 4, 4, 3)), 0, 255)
    np.save(directory / "train_images.npy", images.astype(np.uint8))
    np.save(directory / "train_labels.npy", labels)
    (directory / "manifest.json").write_text(json.dumps({"classes": CLASSES, "shape": [4, 4, 3]}))
    return Prepared(directory)


def trained_on(prepared, path, preprocess, order=(0, 1, 2, 3)):
    """A linear classifier of the mean colour, fitted to what `preprocess` makes of the images; answers in `order`."""
    data = prepared.split("train")
    features = preprocess(data.images / 1.0).mean(axis=(1, 2))
    rows = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    wanted = 2.0 * np.eye(4)[data.labels] - 1
    solved = np.linalg.lstsq(rows, wanted, rcond=None)[0].T[list(order)]
    constants = {"w": solved[:, :3], "b": solved[:, 3]}
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["input.1"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["f"], "flatten"),
            helper.make_node("Gemm", ["f", "w", "b"], ["out"], "fc", transB=1),
        ],
        "g",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["N", 3, 4, 4])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)
    return str(path)


def imagenet(values):
    return (values / 255 - IMAGENET["mean"]) / IMAGENET["std"]


@pytest.fixture
def model_of(prepared, tmp_path):
    return lambda preprocess, **order: trained_on(prepared, tmp_path / "model.onnx", preprocess, **order)


def taken(prepared, directory, path, **settings):
    return take(OnnxFile(path, **settings), prepared, np.arange(400), directory)


def test_a_model_that_is_fed_as_trained_is_taken_with_its_accuracy(prepared, model_of, tmp_path):
    metrics = taken(prepared, tmp_path, model_of(imagenet), **IMAGENET)
    assert metrics.val_accuracy > 0.8
    assert (metrics.validation_images, metrics.epochs) == (400, 0)
    described = json.loads((tmp_path / "model.json").read_text())
    assert (described["form"], described["file"], described["trained"]) == ("onnx", "model.onnx", False)
    assert described["preprocessing"]["mean"] == IMAGENET["mean"]
    keys = ["format", "form", "file", "opset", "head_removed", "layout", "trained", "sha256", "preprocessing"]
    assert list(described) == keys
    assert list(described["preprocessing"]) == ["scale", "offset", "mean", "std", "channel_order"]


@pytest.mark.parametrize(
    ("preprocess", "settings", "fix"),
    [
        (lambda x: x / 255, {}, r"set model.scale=1/255 model.channel_order=rgb;"),
        (lambda x: x / 255, {"scale": "1/510"}, r"set model.scale=1/255 model.channel_order=rgb;"),
        (lambda x: x / 255, {"scale": "1/127.5", "offset": -1}, r"set model.scale=1/255 model.offset=0 model"),
        (lambda x: x / 127.5 - 1, {}, r"set model.scale=1/127.5 model.offset=-1 model"),
        (imagenet, {}, r"set model.scale=1/255 model.mean=\[0.485,0.456,0.406\] model.std=\[0.229,0.224,0.225\]"),
        (lambda x: x[..., ::-1], {}, r"set model.scale=1 model.channel_order=bgr;"),
        (lambda x: x[..., ::-1] - [103.939, 116.779, 123.68], {}, r"model.mean=\[103.939,116.779,123.68\].*bgr;"),
        (lambda x: x[..., ::-1] / 255 - 0.3, {"scale": "1/255", "offset": -0.3}, r"model.offset=-0.3 .*order=bgr;"),
    ],
)
def test_a_better_preprocessing_is_named_with_its_setting(prepared, model_of, tmp_path, preprocess, settings, fix):
    with pytest.raises(
        GateError, match=rf"not fed as it was trained(.|\n)*{fix}.* or go on .*check_preprocessing=false"
    ):
        taken(prepared, tmp_path, model_of(preprocess), **settings)
    assert list(tmp_path.glob("*.json")) == []


def test_one_goes_on_all_the_same(prepared, model_of, tmp_path):
    metrics = taken(prepared, tmp_path, model_of(lambda x: x / 255), check_preprocessing=False)
    assert metrics.val_accuracy < 0.9


def test_classes_in_another_order_are_named(prepared, model_of, tmp_path):
    path = model_of(lambda x: x, order=(3, 0, 2, 1))
    named = r"model.classes=\[red,blue,green,dark\]"
    with pytest.raises(GateError, match=rf"in another order(.|\n)*alphabetical(.|\n)*{named}"):
        taken(prepared, tmp_path, path)
    with pytest.raises(GateError, match=rf"order of model.classes(.|\n)*{named}"):
        taken(prepared, tmp_path, path, classes=["dark", "blue", "red", "green"])
    assert taken(prepared, tmp_path, path, classes=["red", "blue", "green", "dark"]).val_accuracy > 0.8


def test_chance_is_no_reason(prepared, model_of, tmp_path):
    """Of a model that knows nothing, no preprocessing and no order is better."""
    rng = np.random.default_rng(1)
    metrics = taken(prepared, tmp_path, model_of(lambda x: rng.normal(size=x.shape)))
    assert metrics.val_accuracy < 0.6


def test_candidates_are_the_usual_ones_less_ones_own():
    assert len(candidates(Preprocessing(), 3, takes_pixels=False)) == 2 * len(USUAL) - 1
    assert list(candidates(Preprocessing(), 3, takes_pixels=True).values()) == [Preprocessing(channel_order="bgr")]
    gray = candidates(Preprocessing(), 1, takes_pixels=False)
    assert list(gray) == ["÷ 255", "−1 to 1"]
    assert candidates(Preprocessing(), 1, takes_pixels=True) == {}


def images_given_to(own_right, other_right, count=1000):
    """How many images another preprocessing answers, where so many of each hundred are right by the two."""
    labels, chosen = np.zeros(count, np.int64), np.arange(count)
    tried: list[int] = []

    def answers(_, some):
        tried.append(len(some))
        return (some * 37 % 100 >= other_right).astype(np.int64)

    right = chosen * 37 % 100 < own_right
    better_preprocessing(Preprocessing(), right, {"other": Preprocessing(scale=(2.0,))}, answers, chosen, labels)
    return sum(tried)


def test_what_is_clearly_worse_is_not_tried_for_long():
    assert images_given_to(own_right=60, other_right=20) == 64
    assert images_given_to(own_right=60, other_right=59) == 256
    assert images_given_to(own_right=60, other_right=61) == 1000
    assert images_given_to(own_right=60, other_right=20, count=50) == 50
