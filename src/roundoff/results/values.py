"""The kinds of values in metrics files, and what is said of a field: its meaning, and the limits of its values."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

Status = Literal["measured", "unavailable", "failed"]
Outcome = Literal["pass", "fail", "undecided"]
Bounds = Literal["interval", "margin", "exact"]
SpeedDifference = Literal["faster", "slower", "not told apart"]
Use = Literal["balanced", "fastest", "throughput", "smallest", "energy", "reference"]
StopReason = Literal["target", "budget", "minimum", "early"]

Share = Annotated[float, Meta(ge=0, le=1)]
SignedShare = Annotated[float, Meta(ge=-1, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Size = Annotated[int, Meta(ge=1)]


def about(text: str) -> Meta:
    """The meaning of a field."""
    return Meta(description=text)


def bounds_of(owner: object, name: str, unit: str = "") -> tuple[float, float] | None:
    """The interval of the figure `name` of one of these; `unit` is the end of its name ("ms" of device_p50_ms)."""
    end = f"_{unit}" if unit else ""
    low, high = getattr(owner, f"{name}_low{end}", None), getattr(owner, f"{name}_high{end}", None)
    return None if low is None or high is None else (float(low), float(high))
