"""The whole configuration as conf/ composes it."""

from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from tests.support.places import ROOT

CONF = ROOT / "conf"


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Its sections as dictionaries, interpolations as they are written."""
    values: dict[str, Any] = OmegaConf.to_container(cfg, resolve=False)  # type: ignore[assignment]
    return values
