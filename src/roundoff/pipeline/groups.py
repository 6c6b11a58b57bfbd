"""What conf/ offers: which of a group's files have a key, and a key's value there, for advice in errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import MISSING

import roundoff
from roundoff.errors import ConfigError, DataError
from roundoff.system.plain_files import read_plain
from roundoff.system.yaml_files import parsed_yaml

OF_SECTION = {
    "backends": "backend",
    "precisions": "precision",
    "more": "precision",
    "mixed": "precision",
}  # whose groups' files have a place each
NONE = object()
MOST_SHOWN, MOST_NEAR, NEAR = 12, 3, 0.7


def conf_folder() -> Path:
    """The configuration of the current folder, else of the package's checkout."""
    here = Path("conf")
    return here if here.is_dir() else Path(roundoff.__path__[0]).parents[1] / "conf"


def options_with(key: str) -> list[str]:
    """The names in the group of a key's section, such as dataset of `dataset.path`, whose files have that key."""
    section, _, rest = key.partition(".")
    return [name for name, values in _options(section) if rest and _at(values, rest) is not NONE]


def of_other_options(key: str, given: object) -> ConfigError | None:
    """The error for a key that only others of its group's options have, such as `dataset.path` of the digits."""
    options = options_with(key)
    if not options:
        return None
    section = key.partition(".")[0]
    choices = [f"{section}={name}" for name in options]
    return ConfigError(
        f"{key} is a setting of {' and '.join(choices)} alone",
        received=f"{given}, where {section} is another",
        expected=f"{' or '.join(choices)} beside it",
        fix=f"choose {' or '.join(choices)}, or leave {key} out",
    )


def unknown(what: str, received: object, name: str, known: Sequence[str], shown: str = "{}") -> ConfigError:
    """The error for a name that there is not, with the nearest of those that there are, each written as `shown`."""
    known = list(dict.fromkeys(known))
    begun = [each for each in known if each.startswith(name)]
    near = get_close_matches(name, known, MOST_NEAR, NEAR) or begun
    few = near or (known if len(known) <= MOST_SHOWN else [])
    return ConfigError(
        what,
        received=received,
        expected=f"one of {', '.join(few)}" if few else "a key of params.yaml, such as train.epochs",
        fix=f"did you mean {shown.format(near[0])}?" if near else "name one that there is, or leave it out",
    )


def remedy(key: str) -> str:
    """How to set a key right: with the value that conf/ gives it, where it gives one."""
    key = key.partition("[")[0]  # of an element, the list
    default = next((value for value in _defaults(key) if value is not NONE and _is_plain(value)), NONE)
    if default is NONE:
        return f"set {key}=VALUE, as expected"
    return f"set {key} to what is expected; conf/ has {key}={written(default)}"


def written(value: object) -> str:
    """A value as a command line takes it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _defaults(key: str) -> Iterator[Any]:
    section, _, rest = key.partition(".")
    if section in OF_SECTION:
        name, _, rest = rest.partition(".")
        yield from (_at(values, rest) for option, values in _options(OF_SECTION[section]) if option == name)
        return
    yield from (_at(values, rest) for _, values in _options(section))
    yield _at(_yaml(conf_folder() / "config.yaml"), key)


def _options(group: str) -> list[tuple[str, Any]]:
    return [(path.stem, _yaml(path)) for path in sorted((conf_folder() / group).glob("*.yaml"), key=_default_first)]


def _default_first(path: Path) -> tuple[bool, str]:
    return path.stem != "default", path.stem


@lru_cache
def _yaml(path: Path) -> Any:
    try:
        return parsed_yaml(read_plain(path), str(path), "restore it")
    except (OSError, DataError):  # advice is not worth another error
        return None


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part, NONE) if isinstance(values, Mapping) else NONE
    return values


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict) and value != MISSING and "${" not in str(value)
