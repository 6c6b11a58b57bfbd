"""Rules on the device: quiet, its conditions read, its energy measured, one machine for all."""

from __future__ import annotations

from roundoff.report.rules.rule import NOTHING, Seen
from roundoff.report.words.conditions import device_words, reasons_words, throttled, throttling_unread
from roundoff.report.words.numbers import out_of
from roundoff.results.message import Words, message
from roundoff.revisions.read import Evidence


def quiet(evidence: Evidence, words: Words) -> Seen:
    """Held where no timed batch carries a warning and no device was held back.

    None where nothing speaks against it, but throttling was not read.
    """
    timings, held_back = evidence.timings, throttled(evidence)
    if not timings:
        return NOTHING
    warned = sum(1 for timing in timings if timing.warnings)
    text = words("seen_quiet", warned=out_of(warned, len(timings), words))
    if held_back:
        reasons = dict.fromkeys(reason for each in held_back.values() for reason in each)
        text += words("group_separator") + words("seen_throttled", reasons=reasons_words(reasons, words))
    if unread := throttling_unread(evidence):
        text += words("group_separator") + words("seen_throttling_unread", devices=words.listed(unread))
    quiet_as_far_as_known = not warned and not held_back
    all_read = bool(evidence.devices) and not unread
    return (None if quiet_as_far_as_known and not all_read else quiet_as_far_as_known), text


def conditions(evidence: Evidence, words: Words) -> Seen:
    """Held where clocks, power, temperature and throttling of every device were read; None where none could be."""
    if not evidence.devices:
        return NOTHING
    read = [device.conditions is not None for device in evidence.devices.values()]
    text = words("group_separator").join(device_words(device, evidence, words) for device in evidence.devices)
    return (all(read) if any(read) else None), text


def energy(evidence: Evidence, words: Words) -> Seen:
    """Held where the energy of every measured cell is known."""
    told = [cell.metrics.energy for cell in evidence.measured if cell.metrics.energy]
    if not told:
        return NOTHING
    known = [one for one in told if one.mj_per_image is not None]
    unknown = [one for one in told if one.mj_per_image is None]
    sources = dict.fromkeys(one.source for one in known if one.source)
    reasons = dict.fromkeys(one.reason or message("unknown") for one in unknown)
    text = words("seen_energy", known=out_of(len(known), len(told), words))
    details = words.sentences([*sources, *reasons])
    return len(known) == len(told), words("labelled", name=text, text=details) if details else text


def fingerprint(evidence: Evidence, words: Words) -> Seen:
    """Held: metrics files with different fingerprints are not read."""
    return True, words("seen_fingerprint", id=evidence.platform.id)
