"""Says where a method's range was not taken, since it erred too much."""

from __future__ import annotations

from collections.abc import Mapping

from roundoff.calibration.base import Fallback, TensorRange
from roundoff.calibration.observing.guards import MOST_NAMED, Finding
from roundoff.results.message import message


def check_fallbacks(ranges: Mapping[str, TensorRange]) -> list[Finding]:
    """One warning for all tensors that took another method's range, on either kind of grid; the worst come first."""
    fallbacks = {name: fallback for name, seen in ranges.items() if (fallback := _fallback(seen))}
    if not fallbacks:
        return []
    worst = sorted(fallbacks, key=lambda name: -fallbacks[name].error)
    told = [
        f"{name} {_percent(fallbacks[name].error)} against {_percent(fallbacks[name].best_error)}" for name in worst
    ]
    more = [f"{len(told) - MOST_NAMED} more"] if len(told) > MOST_NAMED else []
    method, best = fallbacks[worst[0]].method, fallbacks[worst[0]].best
    said = message(
        "tensors_fell_back",
        method=method,
        best=best,
        count=len(fallbacks),
        tensors=len(ranges),
        worst="; ".join([*told[:MOST_NAMED], *more]),
    )
    return [Finding("fallback", "warning", said)]


def _fallback(seen: TensorRange) -> Fallback | None:
    """That of the kind of grid on which the method that was asked for errs most."""
    told = [seen.choice(symmetric).fallback for symmetric in (True, False)]
    return max((one for one in told if one), key=lambda one: one.error, default=None)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
