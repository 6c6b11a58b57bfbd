"""The whole configuration, plain, to be spoiled by a test."""

import pytest
from omegaconf import OmegaConf

from tests.support.configuration import composed


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
