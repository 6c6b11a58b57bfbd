import pytest

from roundoff.errors import ConfigError
from roundoff.pipeline.config.renamed import RENAMED
from roundoff.pipeline.overrides import check_overrides
from tests.support.places import ROOT


@pytest.mark.parametrize(
    "argument",
    ["verdict=null", "train=3", "model={a: 1}", "dataset=true", "experiment=null", "model=[resnet8,resnet20]"],
)
def test_a_group_that_is_set_to_no_name_is_refused(argument):
    group = argument.partition("=")[0]
    with pytest.raises(ConfigError, match=f"{group} is a config group") as error:
        check_overrides(["-m", argument], ROOT / "conf")
    assert error.value.received == argument


@pytest.mark.parametrize("argument", ["=5", "=[1]", "=a"])
def test_a_setting_without_a_name_is_refused(argument):
    with pytest.raises(ConfigError, match="a setting has no name"):
        check_overrides([argument], ROOT / "conf")


@pytest.mark.parametrize("form", ["{}=1", "+{}=1", "++{}=1", "{}=1,2"])
@pytest.mark.parametrize(("old", "new"), [(old.replace("*", "fp16"), new) for old, new in RENAMED.items()])
def test_a_keys_old_name_is_refused_with_the_new_one(old, new, form):
    with pytest.raises(ConfigError, match=f"{old} has a new name") as error:
        check_overrides([form.format(old)], ROOT / "conf")
    assert error.value.expected == new.replace("*", "fp16")


@pytest.mark.parametrize(
    "argument",
    [
        "model=resnet20",
        "precision=[fp32,int8]",
        "model=resnet8,resnet20",
        "verdict.batch_size=null",
        "a=[",
        "+x.y=1",
        "-cn",
    ],
)
def test_everything_else_is_left_to_hydra(argument):
    check_overrides([argument], ROOT / "conf")
