"""Composing conf/ with settings from a command line; what Hydra refuses is said in words that name the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from roundoff.errors import ConfigError
from roundoff.pipeline.config.plain import shortened
from roundoff.pipeline.groups import of_other_options, unknown
from roundoff.pipeline.overrides import check_overrides
from roundoff.system.plain_files import read_plain, refuse_special
from roundoff.system.yaml_files import BROKEN

REFUSED_KEY = re.compile(r"Could not (?:override|delete|append|find) '([^']+)'")
REFUSED_OPTION = re.compile(r"Could not (?:find|load) '([\w./-]+)/([^'/]+)'")


def composed(conf: Path, overrides: Sequence[str]) -> DictConfig:
    """The configuration that conf/config.yaml and `overrides` make; raises ConfigError."""
    refuse_special(conf)
    try:
        check_overrides(overrides, conf)
        return _composed(conf, overrides)
    except (HydraException, OmegaConfBaseException, *BROKEN) as error:
        raise explained(error, conf, overrides) from None
    except OSError as error:
        if error.errno is not None:  # the system's, for which there are words already
            raise
        raise explained(error, conf, overrides) from None  # OmegaConf's, of a file that holds a number


def section(cfg: DictConfig, name: str) -> DictConfig:
    """A section of the configuration; ConfigError where there is none."""
    try:
        found = OmegaConf.select(cfg, name)
    except OmegaConfBaseException as error:  # an interpolation that leads nowhere
        found = str(error).partition("\n")[0]
    if not isinstance(found, DictConfig):
        raise ConfigError(
            f"{name} is no section",
            received=repr(found),
            expected="keys with values",
            fix=f"leave {name} as conf/ has it, and set the keys in it",
        )
    return found


def explained(error: Exception, conf: Path, overrides: Sequence[str]) -> ConfigError:
    """What Hydra, or who reads conf/ for it, refused, with the nearest name that there is."""
    if not isinstance(error, HydraException):
        return _broken(error, conf, overrides)
    words = str(error) or str(error.__cause__ or type(error).__name__)
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if refused := REFUSED_OPTION.search(words):
        return _no_option(refused[1], refused[2], conf)
    if refused := REFUSED_KEY.search(words):
        key = refused[1].split("@")[0]
        given = next((each for each in overrides if each.lstrip("+~").startswith(refused[1])), refused[1])
        return (
            _no_group(key, given, conf)
            if isinstance(error, MissingConfigException)
            else _no_key(key, given, conf, overrides)
        )
    return ConfigError(
        "the configuration cannot be composed",
        received=" ".join(words.split()),
        expected="settings that conf/ knows, as KEY=VALUE or GROUP=NAME",
        fix="see README.md for settings that work, and https://hydra.cc for the grammar",
    )


def _broken(error: Exception, conf: Path, overrides: Sequence[str]) -> ConfigError:
    """Of a fault that is no word of Hydra's: the file or the settings that it must be of."""
    words = " ".join(str(error).split())[:300]
    if isinstance(error, UnicodeDecodeError):
        words = f"{next(_not_utf_8(conf), conf)}: {words}"
    given = f" (with {shortened(' '.join(overrides))})" if overrides else ""
    return ConfigError(
        "the configuration cannot be composed",
        received=f"{type(error).__name__}: {words}{given}",
        expected="YAML in UTF-8 below conf/, and settings as KEY=VALUE or GROUP=NAME",
        fix="correct the file or the setting, or restore conf/ with `git checkout conf`",
    )


def _not_utf_8(conf: Path) -> Iterator[Path]:
    for path in sorted(conf.rglob("*.yaml")):
        try:
            read_plain(path).decode("utf-8")
        except UnicodeDecodeError:
            yield path


def _composed(conf: Path, overrides: Sequence[str]) -> DictConfig:
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def _unreadable(error: OverrideParseException) -> ConfigError:
    reason = str(error).splitlines()[0]
    return ConfigError(
        "a setting cannot be read",
        received=f"{error.override} ({reason})" if error.override not in reason else reason,
        expected="KEY=VALUE; a VALUE with spaces, commas, brackets or letters beyond ASCII in quotes of its own",
        fix="write it so: \"KEY='VALUE'\"",
    )


def _no_option(group: str, name: str, conf: Path) -> ConfigError:
    known = [path.stem for path in sorted((conf / group).glob("*.yaml"))]
    return unknown(f"{group} has no {name}", f"{group}={name}", name, known, f"{group}={{}}")


def _no_group(key: str, given: str, conf: Path) -> ConfigError:
    groups = [path.name for path in sorted(conf.glob("*/"))]
    return unknown(f"there is no group {key}", given, key, groups, "{}=NAME")


def _no_key(key: str, given: str, conf: Path, overrides: Sequence[str]) -> ConfigError:
    if elsewhere := of_other_options(key, given):
        return elsewhere
    groups = {path.name for path in conf.glob("*/")}
    chosen = [each for each in overrides if each.partition("=")[0].lstrip("+") in groups]
    known = list(_keys(OmegaConf.to_container(_composed(conf, chosen)), ""))
    if "." not in key:
        known = [name for name in known if "." not in name] + sorted(groups)
    return unknown(f"unknown key {key}", given, key, known)


def _keys(values: Any, above: str) -> Iterator[str]:
    for name, value in values.items():
        key = f"{above}.{name}" if above else str(name)
        yield key
        if isinstance(value, dict):
            yield from _keys(value, key)
