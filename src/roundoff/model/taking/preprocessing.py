"""From pixels to what a network was trained on: numbers per channel, and the order of the channels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roundoff.errors import ConfigError
from roundoff.model.taking.settings import setting
from roundoff.pipeline.groups import remedy

LARGEST = 1e6
FRACTION = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(?:/\s*([0-9.]+(?:[eE][-+]?[0-9]+)?))?\s*")
ORDERS = ("rgb", "bgr")

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Preprocessing:
    """(pixel × `scale` + `offset` − `mean`) ÷ `std`: one number each, or one per channel in `channel_order`."""

    scale: Numbers = (1.0,)
    offset: Numbers = (0.0,)
    mean: Numbers = (0.0,)
    std: Numbers = (1.0,)
    channel_order: str = "rgb"

    def __post_init__(self) -> None:
        lengths = {len(each) for each in self._numbers().values()} - {1}
        _require(len(lengths) <= 1, "scale, offset, mean and std", self._numbers(), "one number, or one per channel")
        _require(all(self.scale), "scale", self.scale, "numbers other than 0")
        _require(all(value > 0 for value in self.std), "std", self.std, "numbers above 0")
        _require(self.channel_order in ORDERS, "channel_order", repr(self.channel_order), " or ".join(ORDERS))

    def _numbers(self) -> Mapping[str, Numbers]:
        return {"scale": self.scale, "offset": self.offset, "mean": self.mean, "std": self.std}

    @property
    def channels(self) -> int | None:
        """For how many channels there are numbers; None where one number stands for all."""
        return next((len(each) for each in self._numbers().values() if len(each) > 1), None)

    @property
    def changes_values(self) -> bool:
        """Whether anything but the order of the channels changes."""
        return self.affine() != ((1.0,), (0.0,))

    def affine(self) -> tuple[Numbers, Numbers]:
        """Factors and summands, with which the whole is pixel × factor + summand; as many as there are numbers."""
        count = self.channels or 1
        scale, offset, mean, std = (each * count if len(each) == 1 else each for each in self._numbers().values())
        factors = tuple(s / d for s, d in zip(scale, std, strict=True))
        summands = tuple((o - m) / d for o, m, d in zip(offset, mean, std, strict=True))
        return factors, summands

    def require_fit(self, channels: int, takes_pixels: bool) -> None:
        """ConfigError unless the settings suit a network of so many channels, or one that takes uint8 pixels."""
        _require(
            self.channels in (None, channels),
            "scale, offset, mean or std",
            f"{self.channels} numbers",
            f"one number, or {channels}: the images have {channels} channel{'s' * (channels > 1)}",
        )
        _require(
            channels == 3 or self.channel_order == "rgb",
            "channel_order",
            f"{self.channel_order} for images of {channels} channel{'s' * (channels > 1)}",
            "an order for images of three channels only",
        )
        _require(
            not (takes_pixels and self.changes_values),
            "scale, offset, mean or std",
            f"{self.words()}, for a model whose input is uint8",
            "none of them: such a model has its preprocessing inside",
        )

    def words(self, instead_of: Preprocessing | None = None) -> str:
        """The settings that say it, as they are given on the command line, where they stood for another before."""
        before = instead_of._numbers() if instead_of else {}
        numbers = {key: value for key, value in self._numbers().items() if _matters(key, value, before.get(key, value))}
        shown = [f"{setting(key)}={_written(value)}" for key, value in numbers.items()]
        return " ".join([*shown, f"{setting('channel_order')}={self.channel_order}"])


def _matters(key: str, value: Numbers, before: Numbers) -> bool:
    return key == "scale" or value != before or value != (1.0 if key == "std" else 0.0,)


def _written(value: Numbers) -> str:
    texts = [f"1/{round(1 / v, 6):g}" if 0 < v < 0.02 else f"{v:g}" for v in value]
    return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"


def preprocessing_of(scale: Any, offset: Any, mean: Any, std: Any, channel_order: str) -> Preprocessing:
    """The preprocessing that settings say; ConfigError names the one that is none."""
    return Preprocessing(
        numbers("scale", scale),
        numbers("offset", offset),
        numbers("mean", 0.0 if mean is None else mean),
        numbers("std", 1.0 if std is None else std),
        channel_order,
    )


def numbers(key: str, value: Any) -> Numbers:
    """One number or several, each given as a number or as text such as 1/255; ConfigError names `model.key`."""
    items = list(value) if isinstance(value, list | tuple) else [value]
    parsed = tuple(_number(item) for item in items)
    expected = f"a number up to ±{LARGEST:g}, a fraction such as 1/255, or a list with one for each channel"
    _require(bool(parsed) and None not in parsed, key, repr(value), expected)
    return tuple(each for each in parsed if each is not None)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        match = FRACTION.fullmatch(value)
        try:
            value = float(match[1]) / float(match[2] or 1) if match else None
        except (ValueError, ZeroDivisionError):
            return None
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if fits and abs(value) <= LARGEST else None


def _require(holds: bool, key: str, received: object, expected: str) -> None:
    if not holds:
        named = setting(key)
        raise ConfigError(f"{named} cannot be used", received=received, expected=expected, fix=remedy(named))
