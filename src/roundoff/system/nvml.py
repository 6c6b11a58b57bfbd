"""NVIDIA's management library, started in one place."""

from __future__ import annotations

from typing import Any


class NoNvmlError(OSError):
    """The library does not start, mostly for want of a driver; in its own words."""


def nvml() -> Any:
    """The module pynvml, its library started; raises NoNvmlError, or ImportError where the package is not installed."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NoNvmlError(str(error)) from error
    return pynvml
