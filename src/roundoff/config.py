"""The configuration, checked as a whole before any work: names, types and ranges of every component."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from roundoff.errors import ConfigError

T = TypeVar("T")
ALWAYS_BUILT = ("fp32", "fp16", "int8")


def check(cfg: DictConfig) -> None:
    """Refuse the configuration unless every component in it can be made from its values; raises ConfigError."""
    nodes = dict(_component_nodes(cfg, ""))
    for key in sorted(
        nodes, key=lambda key: key.startswith("backends.")
    ):  # last: what they repeat is corrected elsewhere
        _check_component(key, nodes[key])
    _check_ranked(cfg)
    _check_cells(cfg)


def component(node: DictConfig, kind: type[T]) -> T:
    """The object that a configuration node describes; ConfigError if it is not a `kind`."""
    made = instantiate(node, _convert_="all")
    if not isinstance(made, kind):
        raise ConfigError(
            f"the _target_ is not a {kind.__name__}",
            received=f"{type(made).__module__}.{type(made).__name__}",
            expected=f"a subclass of {kind.__module__}.{kind.__name__}",
            fix="name a fitting class in _target_",
        )
    return made


def components(nodes: DictConfig, kind: type[T]) -> dict[str, T]:
    """The objects under a configuration node, by name."""
    return {str(name): component(node, kind) for name, node in nodes.items()}


def _component_nodes(cfg: DictConfig, prefix: str) -> Iterator[tuple[str, DictConfig]]:
    for name in cfg:
        if OmegaConf.is_missing(cfg, name):
            continue
        node = cfg[name]
        if isinstance(node, DictConfig):
            key = f"{prefix}{name!s}"
            if "_target_" in node:
                yield key, node
            else:
                yield from _component_nodes(node, f"{key}.")


def _check_component(key: str, node: DictConfig) -> None:
    target = _target(key, node)
    types = {field.name: str(field.type) for field in fields(target) if field.init}
    schema = OmegaConf.structured(target)
    OmegaConf.set_readonly(schema, False)
    for name in node:
        if name != "_target_":
            _check_value(f"{key}.{name!s}", schema, types, node, str(name))
    _check_ranges(key, node)


def _target(key: str, node: DictConfig) -> Any:
    name = str(node["_target_"])
    try:
        target = get_class(name)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"{key}._target_ names no class",
            received=f"{name} ({error})",
            expected="the dotted path of an importable class",
            fix=f"correct {key}._target_, or install the package that holds it",
        ) from None
    if not is_dataclass(target):
        raise ConfigError(
            f"{key}._target_ is not a dataclass",
            received=name,
            expected="a dataclass, whose fields are the schema of its YAML",
            fix=f"decorate {target.__name__} with @dataclass(frozen=True)",
        )
    return target


def _check_value(key: str, schema: DictConfig, types: dict[str, str], node: DictConfig, name: str) -> None:
    if name not in types:
        raise ConfigError(
            f"unknown key {key}",
            received=name,
            expected=f"one of {', '.join(types)}",
            fix=f"correct the spelling or remove {key}",
        )
    if OmegaConf.is_missing(node, name):
        raise ConfigError(f"{key} has no value", received="???", expected="a value", fix=f"set {key}=VALUE")
    try:
        OmegaConf.update(schema, name, node[name])
    except OmegaConfBaseException as error:
        raise _wrong_type(key, node[name], types[name], str(error).splitlines()[0]) from None
    if isinstance(node[name], str) and not isinstance(schema[name], str):
        raise _wrong_type(key, node[name], types[name], "it is a string")


def _wrong_type(key: str, received: object, expected: str, why: str) -> ConfigError:
    return ConfigError(f"wrong type of {key}", received=repr(received), expected=expected, fix=f"correct {key} ({why})")


def _check_ranges(key: str, node: DictConfig) -> None:
    try:
        instantiate(node, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, ConfigError):
            raise _named(key, error.__cause__) from None
        raise ConfigError(
            f"{key} cannot be made",
            received=OmegaConf.to_container(node),
            expected=str(error.__cause__ or error).splitlines()[0],
            fix=f"correct {key}, or the file in conf/ that it comes from",
        ) from None


def _check_ranked(cfg: DictConfig) -> None:
    """Cells are ranked at a batch size that is timed; neither component knows the other's."""
    timed, ranked = (OmegaConf.select(cfg, key) for key in ("evaluate.batch_sizes", "verdict.batch_size"))
    if timed is not None and ranked is not None and ranked not in timed:
        raise ConfigError(
            "verdict.batch_size is not timed, so no cell could be recommended",
            received=ranked,
            expected=f"one of evaluate.batch_sizes: {', '.join(map(str, timed))}",
            fix=f"set verdict.batch_size={timed[0]}, or add {ranked} to evaluate.batch_sizes",
        )


def _check_cells(cfg: DictConfig) -> None:
    """What is built, and what is left untimed, are precisions and backends that there are."""
    precisions, backends, more, untimed = (
        [str(name) for name in OmegaConf.select(cfg, key) or ()]
        for key in ("precisions", "backends", "build.more", "evaluate.untimed")
    )
    if "precisions" in cfg:
        if not backends:
            raise ConfigError("no backend is left", received="backend=[]", expected="one or more", fix="set backend")
        _require_known("evaluate.untimed", untimed, backends)
        _require_known("build.more", more, [name for name in precisions if name not in ALWAYS_BUILT])
        if not OmegaConf.is_missing(cfg.build, "precision"):
            _require_known("build.precision", [cfg.build.precision], precisions)


def _require_known(key: str, named: Sequence[str], known: Sequence[str]) -> None:
    if set(named) <= set(known) and len(set(named)) == len(named):
        return
    raise ConfigError(
        f"{key} names what is not there, or twice",
        received=list(named),
        expected=f"of {', '.join(known)}, each once",
        fix=f"correct {key}" + (f" ({', '.join(ALWAYS_BUILT)} are built anyway)" if key == "build.more" else ""),
    )


def _named(key: str, error: Any) -> ConfigError:
    return ConfigError(f"{key}: {error.what}", received=error.received, expected=error.expected, fix=error.fix)
