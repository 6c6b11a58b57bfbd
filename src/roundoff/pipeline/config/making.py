"""Components: a class that the configuration names, checked before it is called with plain values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import Any, TypeVar, get_type_hints

from omegaconf import DictConfig

from roundoff.errors import ConfigError
from roundoff.pipeline.config.kinds import kind_name
from roundoff.pipeline.config.plain import joined, plain, shortened
from roundoff.pipeline.config.renamed import refuse_renamed
from roundoff.pipeline.config.values import check_value, words
from roundoff.pipeline.groups import of_other_options, remedy
from roundoff.system.stopping import pass_on_a_stop

T = TypeVar("T")
SPECIAL = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")


def component(node: DictConfig, kind: type[T]) -> T:
    """The object that a configuration node describes; ConfigError if it is not a `kind`, before anything is called."""
    values = plain(node)
    for name, value in values.items():
        refuse_special(value, str(name), lambda _: None)
    return made("", values, kind)


def components(nodes: DictConfig, kind: type[T]) -> dict[str, T]:
    """The objects under a configuration node, by name."""
    return {str(name): component(node, kind) for name, node in nodes.items()}


def refuse_special(value: Any, key: str, kind: Callable[[str], object] = kind_name) -> None:
    """Raise ConfigError where a key that Hydra acts on stands at any depth, but for `_target_` where a `kind` is known.

    Nothing is imported or called for that.
    """
    if isinstance(value, list):
        for number, each in enumerate(value):
            refuse_special(each, f"{key}[{number}]", kind)
    if not isinstance(value, dict):
        return
    for name, each in value.items():
        if name in SPECIAL and not (name == "_target_" and kind(key)):
            raise ConfigError(
                f"{joined(key, name)} may not stand here",
                received=shortened(repr(each)),
                expected="plain values; only a component's own section names a class, by _target_",
                fix=f"remove {joined(key, name)}",
            )
        refuse_special(each, joined(key, name), kind)


def made(key: str, values: Mapping[Any, Any], kind: type[T]) -> T:
    """The component of the configuration's section `key` from its plain `values`; raises ConfigError."""
    target = _target(joined(key, "_target_"), values.get("_target_"), kind)
    arguments = {name: value for name, value in values.items() if name != "_target_"}
    check_arguments(key, arguments, target)
    try:
        component: T = target(**arguments)
    except ConfigError as error:
        raise _named(key, error) from None
    except BaseException as error:  # whatever a class of one's own raises, to exit among it
        pass_on_a_stop(error)
        raise ConfigError(
            f"{key or target.__name__} cannot be made",
            received=shortened(repr(arguments)),
            expected=f"{type(error).__name__}: {error}",
            fix=f"give {key or target.__name__} values that its class takes; conf/ has some that work",
        ) from None
    return component


def _target(key: str, name: object, kind: type[Any]) -> Any:
    target = _class(key, name, kind)
    if not issubclass(target, kind):
        raise _wrong_target(
            f"the {key} is not a {kind.__name__}",
            name,
            f"a subclass of {kind.__module__}.{kind.__name__}",
            f"name a fitting class in {key}",
        )
    if not is_dataclass(target) or inspect.isabstract(target):
        raise _wrong_target(
            f"{key} is not a dataclass that can be made",
            name,
            "a dataclass, whose fields are the schema of its YAML, with all abstract methods written",
            f"decorate {target.__name__} with @dataclass(frozen=True) and write what {kind.__name__} leaves open",
        )
    return target


def _class(key: str, name: object, kind: type[Any]) -> type[Any]:
    """Importing the class's module is how a class of one's own gets in: it is code that the user trusts."""
    try:
        named = resolve_name(name) if isinstance(name, str) else name
        if not isinstance(named, type):
            raise TypeError(f"a {type(named).__name__}")
        return named
    except BaseException as error:  # whatever the module raises while it is imported, to exit among it
        pass_on_a_stop(error)
        why = str(error) if isinstance(error, Exception) else f"importing it raises {error!r}"
        raise _wrong_target(
            f"{key} names no class",
            f"{shortened(name if isinstance(name, str) else repr(name))} ({shortened(why)})",
            f"the dotted path of an importable class, a subclass of {kind.__module__}.{kind.__name__}",
            f"write MODULE.CLASS as Python imports it in {key}, or install the package that holds it",
        ) from None


def _wrong_target(what: str, received: object, expected: str, fix: str) -> ConfigError:
    return ConfigError(what, received=received, expected=expected, fix=fix)


def check_arguments(key: str, arguments: Mapping[Any, Any], target: Any) -> None:
    """Raise ConfigError unless `arguments` are the fields of the dataclass `target`, each of its type."""
    hints = _hints(key, target)
    known = {field.name: field for field in fields(target) if field.init}
    for name, value in arguments.items():
        if name not in known:
            refuse_renamed(joined(key, name), shortened(repr(value)))
            raise unknown_key(joined(key, name), name, tuple(known))
    # what follows another key by default (dataset.watch) comes last, or it would be blamed for that key's value
    for name, value in sorted(arguments.items(), key=lambda each: known[each[0]].kw_only is True):
        check_value(joined(key, name), value, hints[name])
    for name, field in known.items():
        if name not in arguments and field.default is NO_DEFAULT and field.default_factory is NO_DEFAULT:
            absent = joined(key, name)
            raise ConfigError(
                f"{absent} is missing", received="nothing", expected=words(hints[name]), fix=remedy(absent)
            )


def _hints(key: str, target: Any) -> dict[str, Any]:
    try:
        return get_type_hints(target)
    except BaseException as error:  # a name that only a type checker knows
        pass_on_a_stop(error)
        raise ConfigError(
            f"the types of {joined(key, '_target_')}'s fields cannot be read",
            received=f"{target.__module__}.{target.__qualname__}: {error}",
            expected="annotations that can be evaluated when the module is imported",
            fix="import what they name outside of TYPE_CHECKING",
        ) from None


def unknown_key(key: str, name: object, known: tuple[str, ...]) -> ConfigError:
    """The error for a key that nobody reads; the nearest known one is offered."""
    if elsewhere := of_other_options(key, shortened(repr(name))):
        return elsewhere
    near = get_close_matches(str(name), known, 1)
    return ConfigError(
        f"unknown key {key}",
        received=shortened(repr(name)),
        expected=f"one of {', '.join(known)}" if known else "no key",
        fix=f"did you mean {near[0]}?" if near else f"remove {key}",
    )


def _named(key: str, error: ConfigError) -> ConfigError:
    what = error.what if not key or key in str(error.what) else f"{key}: {error.what}"
    return ConfigError(what, received=error.received, expected=error.expected, fix=error.fix)
