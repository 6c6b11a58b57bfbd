from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from roundoff.dataset.cifar10 import Cifar10
from roundoff.dataset.digits import Digits
from roundoff.dataset.image_folder import ImageFolder
from roundoff.dataset.preparing.prepare import Preparation
from tests.support.places import ROOT

CONF = ROOT / "conf"
COMPONENTS = {"digits": Digits, "cifar10": Cifar10, "image_folder": ImageFolder}


def test_every_dataset_has_its_yaml():
    assert {path.stem for path in (CONF / "dataset").glob("*.yaml")} == set(COMPONENTS)


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_dataset_is_what_its_yaml_says(name):
    node = OmegaConf.merge({"seed": 0}, {"dataset": OmegaConf.load(CONF / "dataset" / f"{name}.yaml")}).dataset
    assert node.pop("_target_") == f"{COMPONENTS[name].__module__}.{COMPONENTS[name].__name__}"
    if name == "image_folder":
        assert OmegaConf.is_missing(node, "path")
        node.path = "images.zip"
    schema = OmegaConf.structured(COMPONENTS[name])
    assert set(node) == set(schema)
    OmegaConf.to_object(OmegaConf.merge(schema, OmegaConf.to_container(node, resolve=True)))


def test_preparation_is_what_the_configuration_says():
    node = OmegaConf.load(CONF / "config.yaml").prepare
    assert set(node) - {"_target_"} == set(OmegaConf.structured(Preparation))
