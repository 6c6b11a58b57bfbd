"""What the settings of a model that is taken are called, where a sentence names one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DESCRIBED_AT = ContextVar("_DESCRIBED_AT", default="model")


def setting(name: str) -> str:
    """The dotted key of `name`: below `model`, or below what `described_at` says."""
    return f"{_DESCRIBED_AT.get()}.{name}"


@contextmanager
def described_at(key: str) -> Iterator[None]:
    """While what is taken is described at the dotted `key` of the configuration instead."""
    token = _DESCRIBED_AT.set(key)
    try:
        yield
    finally:
        _DESCRIBED_AT.reset(token)
