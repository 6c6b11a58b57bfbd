"""The whole configuration as conf/ composes it, plain, to be spoiled by a test."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

CONF = Path(__file__).parents[2] / "conf"


def composed(*overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


@pytest.fixture(scope="session")
def default():
    return OmegaConf.to_container(composed(), resolve=False)


@pytest.fixture
def spoilt(default):
    """The default configuration with values put at dotted keys; a new key is made where there is none."""

    def spoil(**values):
        cfg = OmegaConf.create(default)
        for key, value in values.items():
            OmegaConf.update(cfg, key, value, merge=False, force_add=True)
        return cfg

    return spoil
