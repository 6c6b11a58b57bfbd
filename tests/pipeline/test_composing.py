"""What the command line may say of the configuration, and what is said where it may not."""

import os
import shutil

import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.pipeline.composing import composed, section
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


def written(conf, name, data):
    """conf/ with another content of one of its files."""
    shutil.copytree(CONF, conf)
    (conf / name).write_bytes(data)
    return conf


BROKEN = {
    "a number": b"7\n",
    "bracket": b"a: [",
    "byte": b"a: \xff",
    "zero byte": b"\0",
    "depth": b"[" * 3000,
    "key twice": b"a: 1\na: 2\n",
    "function": b"a: !!python/object/apply:os.system ['true']\n",
    "no date": b"a: !!timestamp x\n",
    "open interpolation": b"a: ${b\n",
    "empty key": b"null: 1\n",
    "list": b"- a\n",
    "defaults": b"defaults: 3\n",
    "itself": b"defaults: [config]\n",
    "Hydra's own": b"hydra: 3\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_composed_is_refused_in_words(tmp_path, data):
    with pytest.raises(ConfigError, match="the configuration cannot be composed") as error:
        composed(written(tmp_path / "conf", "config.yaml", data), [])
    assert error.value.received


@pytest.mark.parametrize("name", ["config.yaml", "train/default.yaml"])
def test_the_file_with_a_byte_that_is_no_utf_8_is_named(tmp_path, name):
    with pytest.raises(ConfigError, match=f"{name}: 'utf-8' codec can't decode byte 0xff"):
        composed(written(tmp_path / "conf", name, b"a: \xff"), [])


def test_a_pipe_in_conf_is_refused(tmp_path):
    shutil.copytree(CONF, tmp_path / "conf")
    os.mkfifo(tmp_path / "conf/train/more.yaml")
    with pytest.raises(DataError, match="is neither a file nor a folder"):
        composed(tmp_path / "conf", [])


@pytest.mark.parametrize(
    "setting", ["hydra=null", "hydra/job_logging=null", "model='a\0b'", f"a={'[' * 2000}{']' * 2000}"], ids=range(4)
)
def test_a_setting_that_hydra_has_no_words_for_is_refused_in_ours(setting):
    with pytest.raises(ConfigError, match=r"cannot be composed(.|\n)*\(with (hydra|model|a)"):
        composed(CONF, [setting])


@pytest.mark.parametrize("setting", ["paths=null", "paths=3", "~paths", "paths=${nowhere}"])
def test_a_section_that_is_none_is_refused(setting):
    with pytest.raises(ConfigError, match="paths is no section"):
        section(composed(CONF, [setting]), "paths")


def test_a_section_is_found():
    assert section(composed(CONF, ["paths.logs=a"]), "paths").logs == "a"


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
