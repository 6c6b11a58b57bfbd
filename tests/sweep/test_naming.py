import re

import pytest

from roundoff.sweep.naming import experiment_name


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "default"),
        (["model=resnet20", "calibrate=mse"], "model-resnet20_calibrate-mse"),
        (["train.epochs=3"], "epochs-3"),
        (["evaluate.batch_sizes=[1,32]"], "batch-sizes-1-32"),
        (["dataset.path=/data/犬 と 猫"], "path-data"),
        (["model.scale=1/255", "model.offset=-0.5"], "scale-1-255_offset-0.5"),
        (["a=" + "x" * 100], "a-" + "x" * 46),
    ],
)
def test_a_name_says_the_settings(settings, words):
    name, _, digest = experiment_name(settings, b"").rpartition("_")
    assert name == words
    assert re.fullmatch("[0-9a-f]{8}", digest)


def test_the_same_settings_in_another_order_tell_no_two_experiments_apart():
    assert experiment_name(["a=1", "b=2"], b"")[-8:] == experiment_name(["b=2", "a=1"], b"")[-8:]


def test_other_sources_have_another_name():
    assert experiment_name(["a=1"], b"") != experiment_name(["a=1"], b"--- a/conf/config.yaml")
