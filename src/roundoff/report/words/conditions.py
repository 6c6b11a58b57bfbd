"""Under which conditions each device was timed: clocks, power, temperature, and what held it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roundoff.report.words.numbers import plain
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

SENSORS = ("sm_clock_mhz", "memory_clock_mhz", "power_w", "temperature_c")


def device_name(device: str, evidence: Evidence) -> str:
    """The GPU's name for its UUID, with the UUID's start where there are several; else the device as it is called."""
    gpus = {gpu.get("uuid"): gpu.get("name") for gpu in evidence.platform.get("gpus") or []}
    if device not in gpus:
        return device.upper() if device == "cpu" else device
    return f"{gpus[device]}" if len(gpus) == 1 else f"{gpus[device]} ({device[:12]})"


def throttled(evidence: Evidence) -> dict[str, list[str]]:
    """Devices that were held back while they were timed, by the words of NVML's reasons."""
    seen = {name: (found.get("conditions") or {}).get("throttle_reasons") for name, found in evidence.devices.items()}
    return {name: list(reasons) for name, reasons in seen.items() if reasons}


def throttling_unread(evidence: Evidence) -> list[str]:
    """Names of the devices of which nobody knows whether they were held back while they were timed."""
    return [
        device_name(device, evidence)
        for device, found in evidence.devices.items()
        if (found.get("conditions") or {}).get("throttle_reasons") is None
    ]


def throttled_words(evidence: Evidence, words: Words) -> list[str]:
    """A sentence for each device that was held back, with its clocks and power while it was timed."""
    return [
        words(
            "note_throttled",
            device=device_name(device, evidence),
            reasons=_reasons(reasons, words),
            spans=_spans(evidence.devices[device]["conditions"], words),
        )
        for device, reasons in throttled(evidence).items()
    ]


def device_words(device: str, evidence: Evidence, words: Words) -> str:
    """What was read of the device, or why nothing was, with repeated rounds and the wait for other jobs."""
    found = evidence.devices[device]
    conditions = found.get("conditions")
    parts = [_conditions(conditions, words) if conditions else _unread(found, words)]
    if found.get("repeated_rounds") is not None:
        parts.append(words("seen_repeated", count=found["repeated_rounds"]))
    if found.get("waited_s") is not None:
        parts.append(words("seen_waited", seconds=plain(found["waited_s"], 2)))
    return words("labelled", name=device_name(device, evidence), text=words("list_separator").join(parts))


def _conditions(conditions: Mapping[str, Any], words: Words) -> str:
    reasons = conditions.get("throttle_reasons")
    if reasons is None:
        return _spans(conditions, words)
    throttle = words("seen_throttled", reasons=_reasons(reasons, words)) if reasons else words("seen_not_throttled")
    return words("list_separator").join(filter(None, (_spans(conditions, words), throttle)))


def _spans(conditions: Mapping[str, Any], words: Words) -> str:
    spans = (
        words(f"sensor_{name}", span=words.span(*(f"{value:,.0f}" for value in conditions[name])))
        for name in SENSORS
        if conditions.get(name)
    )
    return words("list_separator").join(spans)


def _unread(found: Mapping[str, Any], words: Words) -> str:
    reason = found.get("conditions_reason")
    return words("seen_unread", reason=words.said(str(reason)) if reason else words("unknown"))


def _reasons(reasons: list[str], words: Words) -> str:
    return words("list_separator").join(words.said(reason) for reason in reasons)
