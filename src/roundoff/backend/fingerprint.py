"""The fingerprint of this machine, with the libraries of the shipped backends and of those that are configured."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from roundoff import backend as shipped
from roundoff.backend import machine
from roundoff.backend.base import Backend
from roundoff.errors import ConfigError
from roundoff.results.checked import as_json
from roundoff.results.platform import Platform

LIBRARIES = "libraries"
BOUND = f"{LIBRARIES}."  # before a distribution's name in `bound_to`
NOTHING = object()


def fingerprint(configured: Mapping[str, Backend] | None = None) -> Platform:
    """The machine's fingerprint (`backend.machine`), the libraries of backends named in it.

    Its `id` tells the versions of the shipped backends' libraries, configured or not, and no others', so that it is the
    same whatever is configured. Raises ConfigError for a configured backend that is bound to what the fingerprint
    does not tell, since that could not be held.
    """
    configured = configured or {}
    own = {name for kind in _shipped() for name in declared(kind)}
    platform = machine.fingerprint(own, {name for each in configured.values() for name in declared(type(each))})
    for name, each in configured.items():
        _check_bonds(name, each, platform)
    return platform


def part(machine: Platform, key: str, absent: Any = None) -> Any:
    """What a fingerprint has at a dotted key; of a library the version, whose name may have dots itself."""
    value = as_json(machine)
    section, _, name = key.partition(".")
    for each in (section, name) if section == LIBRARIES else key.split("."):
        if not isinstance(value, Mapping) or each not in value:
            return absent
        value = value[each]
    return value


def declared(kind: type[Backend]) -> set[str]:
    """The distributions whose versions a backend wants told."""
    return {*kind.libraries, *(key.removeprefix(BOUND) for key in kind.bound_to if key.startswith(BOUND))}


def _shipped() -> list[type[Backend]]:
    """The classes of roundoff.backend.NAME.backend; none of them imports its library."""
    packages = [package.name for package in iter_modules(shipped.__path__) if package.ispkg]
    modules = [import_module(f"{shipped.__name__}.{name}.backend") for name in packages]
    classes = [each for module in modules for each in vars(module).values()]
    return [each for each in classes if isinstance(each, type) and issubclass(each, Backend)]


def _check_bonds(name: str, backend: Backend, platform: Platform) -> None:
    for key in backend.bound_to:
        if part(platform, key, NOTHING) is NOTHING and not key.startswith(BOUND):
            raise ConfigError(
                f"backends.{name} is bound to what the fingerprint does not tell",
                received=f"{type(backend).__qualname__}.bound_to has {key}",
                expected=f"{BOUND}DISTRIBUTION, or a key of {', '.join(vars(platform))}",
                fix=f"name one of these in place of {key} in {type(backend).__module__}",
            )
