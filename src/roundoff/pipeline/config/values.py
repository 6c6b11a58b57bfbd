"""Whether a plain value is of the type that a dataclass's annotation asks for."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from roundoff.errors import ConfigError
from roundoff.pipeline.config.plain import MISSING, shortened
from roundoff.pipeline.groups import remedy

LARGEST = 2**63 - 1  # what 64 bits hold


def check_value(key: str, value: Any, hint: Any) -> None:
    """Raise ConfigError, naming `key`, unless `value` is of the annotated type `hint`.

    A bool is no number, a whole number stands for a float, a list also for a tuple; numbers must be finite. A type that
    YAML has no values of is left to the component itself.
    """
    if value == MISSING:
        raise ConfigError(f"{key} has no value", received=MISSING, expected=words(hint), fix=remedy(key))
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        _check_union(key, value, hint)
    elif origin is Literal:
        _require(any(value == each and type(value) is type(each) for each in inner), key, value, hint)
    elif origin in SCALARS:
        _require(SCALARS[origin](value), key, value, hint)
    elif origin in (list, tuple, Sequence):
        _check_list(key, value, hint)
    elif origin in (dict, Mapping):
        _require(isinstance(value, dict), key, value, hint)
        for name, each in value.items():
            check_value(f"{key}.{name}", each, inner[1] if inner else Any)


def words(hint: Any) -> str:
    """An annotation as it is written."""
    return inspect.formatannotation(hint)


def _check_union(key: str, value: Any, hint: Any) -> None:
    options = [each for each in get_args(hint) if each is not NoneType]
    if isinstance(value, list) and len(options) == 1:
        check_value(key, value, options[0])  # which tells the element that is wrong
    else:
        _require(any(_fits(value, each) for each in get_args(hint)), key, value, hint)


def _check_list(key: str, value: Any, hint: Any) -> None:
    _require(isinstance(value, list), key, value, hint)
    inner = get_args(hint)
    if get_origin(hint) is tuple and inner[-1] is not ...:
        _require(len(value) == len(inner), key, value, hint)
        each_hint = list(inner)
    else:
        each_hint = [inner[0] if inner else Any] * len(value)
    for number, (each, of_type) in enumerate(zip(value, each_hint, strict=True)):
        check_value(f"{key}[{number}]", each, of_type)


def _fits(value: Any, hint: Any) -> bool:
    try:
        check_value("", value, hint)
    except ConfigError:
        return False
    return True


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_float(value: Any) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _is_str(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value  # no path may hold a null character


SCALARS: dict[object, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: _is_int,
    float: _is_float,
    str: _is_str,
    NoneType: lambda value: value is None,
}


def _require(holds: bool, key: str, value: object, hint: Any) -> None:
    if not holds:
        beyond = isinstance(value, int | float) and not (isinstance(value, bool) or _is_float(value))
        finite = " (finite, of at most 64 bits)" if beyond else ""
        raise ConfigError(
            f"wrong type of {key}",
            received=shortened(repr(value)),
            expected=f"{words(hint)}{finite}",
            fix=remedy(key),
        )
