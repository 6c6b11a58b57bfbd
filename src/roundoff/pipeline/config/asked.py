"""The precision that a build stage was asked for."""

from __future__ import annotations

from typing import TypeVar

from omegaconf import DictConfig, OmegaConf

from roundoff.errors import ConfigError
from roundoff.pipeline.config.making import component, refuse_special
from roundoff.pipeline.config.plain import MISSING, plain
from roundoff.pipeline.config.whole import all_precisions
from roundoff.system.slots import GIVEN, MIXED, config_key, section_of

T = TypeVar("T")


def precision_made_here(cfg: DictConfig, kind: type[T]) -> tuple[str, T]:
    """The name and the precision, as all of these three; ConfigError where another tool has made it."""
    name = precision_to_build(cfg)
    _require_script(name, section_of(name) != GIVEN, "build_given", "what roundoff quantizes itself")
    return name, _described(cfg, name, kind)


def given_precision(cfg: DictConfig, kind: type[T]) -> tuple[str, T]:
    """One that another tool has made; ConfigError where it is made here."""
    name = precision_to_build(cfg)
    _require_script(name, section_of(name) == GIVEN, "build", f"a precision whose name begins with {GIVEN}")
    return name, _described(cfg, name, kind)


def mixed_precision(cfg: DictConfig, kind: type[T]) -> tuple[str, T]:
    """One of which a stage chooses what it leaves wide; ConfigError for any other."""
    name = precision_to_build(cfg)
    _require_script(name, section_of(name) == MIXED, "build", f"a precision whose name ends with _{MIXED}")
    return name, _described(cfg, name, kind)


def precision_to_build(cfg: DictConfig) -> str:
    """The name alone; ConfigError, which lists what could be built, where there is none."""
    refuse_special(OmegaConf.to_container(cfg), "")  # where it was written, not where it is read
    values = plain(cfg)
    name = values["build"].get("precision", MISSING)
    if name == MISSING:
        raise ConfigError(
            "build.precision has no value",
            received=MISSING,
            expected=f"one of {', '.join(all_precisions(values))}",
            fix="say which to build: python stages/build.py build.precision=fp32",
        )
    return str(name)


def _require_script(name: str, holds: bool, other: str, expected: str) -> None:
    if not holds:
        raise ConfigError(
            f"{name} is built by another script",
            received=f"build.precision={name}",
            expected=expected,
            fix=f"run python stages/{other}.py build.precision={name}",
        )


def _described(cfg: DictConfig, name: str, kind: type[T]) -> T:
    return component(OmegaConf.select(cfg, config_key(name)), kind)
