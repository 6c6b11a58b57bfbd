"""Under which conditions each device was timed: clocks, power, temperature, and what held it back."""

from __future__ import annotations

from collections.abc import Iterable

from roundoff.report.words.numbers import plain
from roundoff.results.message import Words
from roundoff.results.run import Conditions, Device
from roundoff.revisions.read import Evidence

SHORTEST_WAIT_S = 0.05
SENSORS = ("sm_clock_mhz", "memory_clock_mhz", "power_w", "temperature_c")


def device_name(device: str, evidence: Evidence) -> str:
    """The GPU's name for its UUID, with the UUID's start where there are several; else the device as it is called."""
    gpus = {gpu.uuid: gpu.name for gpu in evidence.platform.gpus}
    if device not in gpus:
        return device.upper() if device == "cpu" else device
    return f"{gpus[device]}" if len(gpus) == 1 else f"{gpus[device]} ({device[:12]})"


def throttled(evidence: Evidence) -> dict[str, list[str]]:
    """Devices that were held back while they were timed, with the codes of NVML's reasons."""
    seen = {name: _throttle_reasons(device) for name, device in evidence.devices.items()}
    return {name: reasons for name, reasons in seen.items() if reasons}


def throttling_unread(evidence: Evidence) -> list[str]:
    """Names of the devices of which nobody knows whether they were held back while they were timed."""
    return [
        device_name(name, evidence) for name, device in evidence.devices.items() if _throttle_reasons(device) is None
    ]


def throttled_words(evidence: Evidence, words: Words) -> list[str]:
    """A sentence for each device that was held back, with its clocks and power while it was timed."""
    return [
        words(
            "note_throttled",
            device=device_name(name, evidence),
            reasons=reasons_words(reasons, words),
            spans=_spans(evidence.devices[name].conditions, words),
        )
        for name, reasons in throttled(evidence).items()
    ]


def device_words(device: str, evidence: Evidence, words: Words) -> str:
    """What was read of the device, or why nothing was, with repeated rounds and the wait for other jobs."""
    report = evidence.devices[device]
    parts = [_conditions(report.conditions, words) if report.conditions else _unread(report, words)]
    if report.repeated_rounds is not None:
        parts.append(words("seen_repeated", count=report.repeated_rounds))
    if report.waited_s is not None:
        parts.append(words("seen_waited", seconds=_waited(report.waited_s, words)))
    return words("labelled", name=device_name(device, evidence), text=words.listed(parts))


def _waited(seconds: float, words: Words) -> str:
    return words("seconds", value=plain(seconds, 2)) if seconds >= SHORTEST_WAIT_S else words("none")


def reasons_words(reasons: Iterable[str], words: Words) -> str:
    """NVML's reasons by their codes; one that the catalogue does not know as its code."""
    keys = ((reason, f"throttle_{reason}") for reason in reasons)
    return words.listed(words(key) if words.known(key) else reason for reason, key in keys)


def _throttle_reasons(device: Device) -> list[str] | None:
    return device.conditions.throttle_reasons if device.conditions else None


def _conditions(conditions: Conditions, words: Words) -> str:
    reasons, spans = conditions.throttle_reasons, _spans(conditions, words)
    if reasons is None:
        return spans
    throttle = (
        words("seen_throttled", reasons=reasons_words(reasons, words)) if reasons else words("seen_not_throttled")
    )
    return words.listed(filter(None, (spans, throttle)))


def _spans(conditions: Conditions | None, words: Words) -> str:
    read = ((name, getattr(conditions, name, None)) for name in SENSORS)
    return words.listed(
        words(f"sensor_{name}", span=words.span(*(f"{value:,.0f}" for value in ends))) for name, ends in read if ends
    )


def _unread(device: Device, words: Words) -> str:
    return words("seen_unread", reason=device.conditions_reason or words("unknown"))
