"""The whole configuration as conf/ composes it."""

from hydra import compose, initialize_config_dir

from tests.support.places import ROOT

CONF = ROOT / "conf"


def composed(*overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))
