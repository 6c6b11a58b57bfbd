"""Names of backends and precisions: they become names of folders, files and DVC stages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from roundoff.errors import ConfigError
from roundoff.pipeline.config.plain import shortened
from roundoff.system.slots import TAKEN

FITTING = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_name(key: str, name: object) -> None:
    """Raise ConfigError unless `name`, which stands at `key`, is fit to be a folder's."""
    if not isinstance(name, str) or not FITTING.fullmatch(name):
        raise ConfigError(
            f"{key} is no name for a folder",
            received=shortened(repr(name)),
            expected="letters, digits, _ and - only (ASCII, at most 64)",
            fix=f"call it {re.sub('[^A-Za-z0-9_-]+', '_', str(name))[:64]!r}, say",
        )
    if name in TAKEN:
        raise ConfigError(
            f"{key} has a name that is taken",
            received=name,
            expected=f"none of {', '.join(TAKEN)}, which metrics files hold beside the cells",
            fix=f"call it {name}_1, say",
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
            fix=f"{_advice(key, named, known)}{note}",
        )


def _advice(key: str, named: Sequence[object], known: Sequence[str]) -> str:
    absent = next((str(name) for name in named if name not in known), None)
    if absent is None:
        return f"name each once in {key}"
    near = get_close_matches(absent, known, 1)
    return f"did you mean {near[0]}?" if near else f"take {absent} out of {key}, or add it to what is configured"
