"""Names of backends and precisions: they become names of folders, files and DVC stages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from roundoff.errors import ConfigError
from roundoff.pipeline.config.plain import shortened
from roundoff.system.slots import ANSWER

FITTING = re.compile(r"[A-Za-z0-9_-]{1,64}")
TAKEN = ("format", "platform", "reference", "method", ANSWER)  # keys of metrics files beside cells and precisions


def check_name(key: str, name: object) -> None:
    """Raise ConfigError unless `name`, which stands at `key`, is fit to be a folder's."""
    if not isinstance(name, str) or not FITTING.fullmatch(name):
        raise ConfigError(
            f"{key} is no name for a folder",
            received=shortened(repr(name)),
            expected="letters, digits, _ and - only (ASCII, at most 64)",
            fix="choose another name",
        )
    if name in TAKEN:
        raise ConfigError(
            f"{key} has a name that is taken",
            received=name,
            expected=f"none of {', '.join(TAKEN)}, which metrics files hold beside the cells",
            fix="choose another name",
        )


def require_known(key: str, named: Sequence[object], known: Sequence[str], note: str = "") -> None:
    """Raise ConfigError unless each of `named` is fit to be a name, known, and there once."""
    for name in named:
        check_name(key, name)
    if not (set(named) <= set(known) and len(set(named)) == len(named)):
        raise ConfigError(
            f"{key} names what is not there, or twice",
            received=list(named),
            expected=f"of {', '.join(known)}, each once",
            fix=f"correct {key}{note}",
        )
