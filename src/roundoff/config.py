"""The configuration, checked as a whole before any work: names, types and ranges of every component."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, cast

from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from roundoff.errors import ConfigError

T = TypeVar("T")


def check(cfg: DictConfig) -> None:
    """Refuse the configuration unless every component in it can be made from its values; raises ConfigError."""
    for key, node in _components(cfg):
        _check_component(key, node)


def component(node: DictConfig, kind: type[T]) -> T:
    """The object that a configuration node describes; ConfigError if it is not a `kind`."""
    made = instantiate(node)
    if not isinstance(made, kind):
        raise ConfigError(
            f"{node._target_} is not a {kind.__name__}",
            received=type(made).__mro__[1].__name__,
            expected=f"a subclass of {kind.__module__}.{kind.__name__}",
            fix="name a fitting class in _target_",
        )
    return made


def components(nodes: DictConfig, kind: type[T]) -> dict[str, T]:
    """The objects under a configuration node, by name."""
    return {str(name): component(node, kind) for name, node in nodes.items()}


def _components(cfg: DictConfig, prefix: str = "") -> Iterator[tuple[str, DictConfig]]:
    for name in cfg:
        node = cfg._get_node(name)
        if not isinstance(node, DictConfig) or node._is_none():
            continue
        key = f"{prefix}{name}"
        if "_target_" in node:
            yield key, node
        else:
            yield from _components(node, f"{key}.")


def _check_component(key: str, node: DictConfig) -> None:
    try:
        target = get_class(node._target_)
        schema = OmegaConf.structured(target)
        OmegaConf.set_readonly(schema, False)
        values = {name: node._get_node(name) for name in node if name != "_target_"}
        for name, value in values.items():
            _check_value(key, schema, str(name), value)
        instantiate(node)
    except OmegaConfBaseException as error:
        raise _refusal(key, node, error) from None
    except (ImportError, ValueError) as error:
        raise _refusal(f"{key}._target_", node, error) from None
    except InstantiationException as error:
        if isinstance(error.__cause__, ConfigError):
            raise error.__cause__ from None
        raise _refusal(key, node, error) from None


def _check_value(key: str, schema: DictConfig, name: str, value: Any) -> None:
    if name not in schema:
        raise ConfigError(
            f"unknown key {key}.{name}",
            received=name,
            expected=f"one of {', '.join(map(str, schema))}",
            fix=f"correct the spelling or remove {key}.{name}",
        )
    if OmegaConf.is_missing(cast(Any, value._get_parent()), name):
        raise ConfigError(
            f"{key}.{name} has no value",
            received="???",
            expected=str(schema._get_node(name)._metadata.ref_type.__name__),
            fix=f"set {key}.{name}=VALUE",
        )
    try:
        OmegaConf.update(schema, name, value, merge=True)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"wrong type of {key}.{name}",
            received=repr(value._value()) if not OmegaConf.is_config(value) else OmegaConf.to_container(value),
            expected=str(error).splitlines()[0],
            fix=f"correct {key}.{name}",
        ) from None


def _refusal(key: str, node: DictConfig, error: Exception) -> ConfigError:
    return ConfigError(
        f"the configuration of {key} cannot be used",
        received=OmegaConf.to_container(node),
        expected=str(error).splitlines()[0],
        fix=f"correct {key}, or the file in conf/ that it comes from",
    )
