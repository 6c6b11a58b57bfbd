"""The configuration as plain dictionaries, lists and values: every interpolation followed, nothing called."""

from __future__ import annotations

import re
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError

from roundoff.errors import ConfigError
from roundoff.pipeline.groups import remedy

MISSING = "???"  # as YAML and OmegaConf write it
DEEPEST, MOST_VALUES = 32, 20_000  # the default has 4 levels and 150 values; interpolations can multiply without end


def plain(node: DictConfig) -> dict[Any, Any]:
    """Copy `node` with its interpolations followed; ??? stays. Raises ConfigError, naming the key."""
    values: dict[Any, Any] = _Reader().read(node, "", 0)
    return values


def joined(key: str, name: object) -> str:
    """The dotted key of `name` below `key`."""
    return f"{key}.{name}" if key else str(name)


NO_CONTAINER = re.compile("node `([^`]+)` is not a container")


class _Reader:
    def __init__(self) -> None:
        self.values = 0

    def read(self, value: Any, key: str, depth: int) -> Any:
        self._count(key, depth)
        if isinstance(value, DictConfig):
            return {n: self._item(value, n, joined(key, n), depth) for n in value}
        if isinstance(value, ListConfig):
            return [self._item(value, n, f"{key}[{n}]", depth) for n in range(len(value))]
        return value

    def _item(self, node: DictConfig | ListConfig, name: Any, key: str, depth: int) -> Any:
        try:
            value = MISSING if OmegaConf.is_missing(node, name) else node[name]
        except InterpolationToMissingValueError:
            value = MISSING
        except Exception as error:  # a resolver raises what it likes; a cycle ends as RecursionError
            raise _unresolved(node, name, key, error) from None
        return self.read(value, key, depth + 1)

    def _count(self, key: str, depth: int) -> None:
        self.values += 1
        if depth > DEEPEST or self.values > MOST_VALUES:
            raise ConfigError(
                "the configuration has no end",
                received=f"more than {DEEPEST} levels or {MOST_VALUES:,} values, at {shortened(key)}",
                expected="lists and sections that do not contain each other",
                fix=f"write plain values in place of the interpolations in {key.split('.')[0].split('[')[0]}",
            )


def shortened(value: object, most: int = 200) -> str:
    """A value in at most `most` characters, for a message."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def _unresolved(node: DictConfig | ListConfig, name: Any, key: str, error: Exception) -> ConfigError:
    written: Any = OmegaConf.to_container(node, resolve=False)
    if part := NO_CONTAINER.search(str(error)):
        return ConfigError(
            f"wrong type of {part[1]}",
            received=shortened(OmegaConf.select(node._get_root(), part[1])),
            expected=f"a list or a section: {key} is {written[name]}",
            fix=remedy(part[1]),
        )
    words = "it leads back to itself" if isinstance(error, RecursionError) else str(error).splitlines()[0]
    return ConfigError(
        f"{key} leads to no value",
        received=shortened(written[name]),
        expected=f"a value, or an interpolation such as ${{seed}} that leads to one ({shortened(words)})",
        fix=f"set {key} to a plain value, or set right what it refers to",
    )
