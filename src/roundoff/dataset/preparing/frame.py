"""The frame that images are prepared in: height, width and channels, as settings of a dataset."""

from __future__ import annotations

from typing import Any

from roundoff.errors import ConfigError

CHANNELS = (1, 3)


def height_width(size: Any, least: int, most: int) -> tuple[int, int]:
    """`dataset.size` as height and width: one number for both, or a list of the two; ConfigError for anything else."""
    sides = list(size) if isinstance(size, list | tuple) else [size, size]
    whole = len(sides) == 2 and all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    if whole and least <= min(sides) and max(sides) <= most:
        return sides[0], sides[1]
    words = "is not a size" if not whole or min(sides) < 1 else "is too small" if min(sides) < least else "is too large"
    raise ConfigError(
        f"dataset.size {words}",
        received=repr(size),
        expected=f"pixels from {least} to {most}: one number, or a list of height and width such as [48,192]",
        fix="set dataset.size=32",
    )


def check_channels(channels: int) -> None:
    """ConfigError unless `dataset.channels` is 1 (gray) or 3 (colour)."""
    if channels not in CHANNELS:
        raise ConfigError(
            "dataset.channels is no number of colour channels",
            received=channels,
            expected="1 (gray) or 3 (red, green, blue)",
            fix="set dataset.channels=3",
        )
