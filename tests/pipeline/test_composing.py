"""What the command line may say of the configuration, and what is said where it may not."""

import pytest

from roundoff.errors import ConfigError
from roundoff.pipeline.composing import composed
from roundoff.pipeline.groups import options_with, remedy
from tests.support.places import ROOT

CONF = ROOT / "conf"


@pytest.mark.parametrize(
    ("setting", "what", "fix"),
    [
        ("train.epoch=3", "unknown key train.epoch", "did you mean train.epochs?"),
        ("trian.epochs=3", "unknown key trian.epochs", "did you mean train.epochs?"),
        ("backends.litert.thread=2", "unknown key backends.litert.thread", "did you mean backends.litert.threads?"),
        ("modle=resnet8", "unknown key modle", "did you mean model?"),
        ("zzz=1", "unknown key zzz", "name one that there is, or leave it out"),
        ("model=resnt8", "model has no resnt8", "did you mean model=resnet8?"),
        ("precision=[fp32,fp61]", "precision has no fp61", "did you mean precision=fp16?"),
        ("backend=[onnx]", "backend has no onnx", "did you mean backend=onnxruntime?"),
        ("dataset.path=/x", "dataset.path is a setting of dataset=image_folder alone", "choose dataset=image_folder"),
        ("model.path=/x", "model.path is a setting of model=keras_file and model=onnx_file", "model=onnx_file"),
        ("train.epochs=[1", "a setting cannot be read", "write it so: \"KEY='VALUE'\""),
        ("~train.epoch", "the configuration cannot be composed", "README.md"),
    ],
)
def test_what_hydra_refuses_is_said_with_a_remedy(setting, what, fix):
    with pytest.raises(ConfigError) as error:
        composed(CONF, [setting])
    assert str(error.value.what).startswith(what)
    assert fix in error.value.fix


def test_a_key_of_the_chosen_option_is_known():
    assert composed(CONF, ["dataset=image_folder", "dataset.path=/x"]).dataset.path == "/x"


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("evaluate.batch_sizes", "[1,32]"),
        ("evaluate.batch_sizes[0]", None),
        ("train.epochs", "6"),
        ("backends.litert.threads", "null"),
        ("precisions.int8.first_layer", "true"),
        ("more.bf16.keep_float32", "[]"),
        ("export.opset", "18"),
        ("seed", "0"),
    ],
)
def test_a_remedy_names_the_value_that_conf_has(key, default):
    listed = key.partition("[")[0]
    assert remedy(key) == f"set {listed} to what is expected; conf/ has {listed}={default or '[1,32]'}"


@pytest.mark.parametrize("key", ["dataset.path", "evaluate.seed", "mine.own"])
def test_a_remedy_without_such_a_value_says_where_it_goes(key):
    assert remedy(key) == f"set {key}=VALUE, as expected"


def test_options_that_have_a_key():
    assert options_with("dataset.downloads") == ["cifar10"]
    assert options_with("dataset") == options_with("nothing.at_all") == []
