"""Which measuring rules held, judged from the files of the run alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from roundoff.report.document import Field, Heading, Page, Paragraph, Table, row
from roundoff.report.evidence import Evidence
from roundoff.report.messages import Words
from roundoff.report.numbers import percent, times_with_interval

Seen = tuple[bool | None, str]
PERCENTILES = tuple(
    f"{clock}_{name}_ms" for clock in ("device", "end_to_end") for name in ("p90", "p95", "p99", "p999")
)


def method_section(page: Page, evidence: Evidence, words: Words) -> None:
    """A table: the rule, what was observed, whether it held."""
    columns = tuple(words(f"col_{name}") for name in ("rule", "observed", "held"))
    rows = tuple(_rule_row(name, rule(evidence, words), words) for name, rule in RULES.items())
    page.add(
        Heading(2, words("method_heading"), "method"),
        Paragraph(words("method_intro")),
        Table(words("method_caption"), columns, rows, labels=3),
    )


def _rule_row(name: str, seen: Seen, words: Words) -> tuple[Field, ...]:
    held, text = seen
    if held is None:
        return row(words(f"rule_{name}"), text or words("unknown"), Field(words("unknown"), "muted"))
    return row(words(f"rule_{name}"), text, Field(words("held" if held else "not_held"), "good" if held else "unsure"))


def _timings(evidence: Evidence) -> list[Mapping[str, Any]]:
    found = [timing for cell in evidence.measured for timing in cell.batches.values()]
    return [timing for timing in found if timing.get("runs")]


def _interleaved(evidence: Evidence, words: Words) -> Seen:
    rounds = [timing["rounds"] for timing in _timings(evidence) if timing.get("rounds") is not None]
    if not rounds:
        return None, ""
    few = sum(1 for count in rounds if count < 2)
    return not few, words("seen_interleaved", low=min(rounds), high=max(rounds), few=few, count=len(rounds))


def _settled(evidence: Evidence, words: Words) -> Seen:
    stopped = [timing.get("stopped") for timing in _timings(evidence)]
    if not any(stopped):
        return None, ""
    ended = {name: stopped.count(name) for name in ("target", "budget", "minimum")}
    return not ended["budget"], words("seen_settled", **ended)


def _rebuilt(evidence: Evidence, words: Words) -> Seen:
    builds = [cell.facts["builds"] for cell in evidence.measured if cell.facts.get("builds")]
    if not builds:
        return None, ""
    repeated = [found for found in builds if found["count"] > 1]
    if not repeated:
        return None, words("seen_built_once", count=len(builds))
    medians = [timing["build_p50_ms"] for timing in _timings(evidence) if timing.get("build_p50_ms")]
    spread = max((max(found) / min(found) - 1 for found in medians), default=0.0)
    differing = sum(1 for found in repeated if found["different"] > 1)
    counts = {"count": len(builds), "repeated": len(repeated), "differing": differing}
    return True, words("seen_rebuilt", **counts, spread=percent(spread))


def _control(evidence: Evidence, words: Words) -> Seen:
    seen = [
        (name, times_with_interval(control[name], "speedup"), control[name])
        for device in (evidence.method.get("devices") or {}).values()
        if (control := device.get("control"))
        for name in control
        if name.startswith("batch_") and control[name].get("speedup_low") is not None
    ]
    if not seen:
        return None, ""
    inside = all(found["speedup_low"] <= 1 <= found["speedup_high"] for _, _, found in seen)
    return inside, "; ".join(f"{name.replace('_', ' ')}: {text}" for name, text, _ in seen)


def _runs(evidence: Evidence, words: Words) -> Seen:
    timings = _timings(evidence)
    if not timings:
        return None, ""
    runs = [timing["runs"] for timing in timings]
    withheld = sum(1 for timing in timings for name in PERCENTILES if timing.get(name) is None)
    return True, words("seen_runs", low=f"{min(runs):,}", high=f"{max(runs):,}", withheld=withheld)


def _quiet(evidence: Evidence, words: Words) -> Seen:
    timings = _timings(evidence)
    warned = sum(1 for timing in timings if timing.get("warnings"))
    return not warned, words("seen_quiet", warned=warned, count=len(timings))


def _whole(evidence: Evidence, words: Words) -> Seen:
    count = len(evidence.labels)
    samples = {int(cell.accuracy["samples"]) for cell in evidence.measured if "samples" in cell.accuracy}
    text = ", ".join(map(str, sorted(samples)))
    return samples == {count}, words("seen_whole", samples=text, count=count)


def _chance(evidence: Evidence, words: Words) -> Seen:
    lows = [float(cell.accuracy["top1_low"]) for cell in evidence.measured if "top1_low" in cell.accuracy]
    if not lows:
        return None, ""
    return min(lows) > evidence.chance, words("seen_chance", low=percent(min(lows)), chance=percent(evidence.chance))


def _calibration(evidence: Evidence, words: Words) -> Seen:
    facts = evidence.facts("calibrate")
    if not facts:
        return None, ""
    shown = ", ".join(f"{name}={facts[name]}" for name in ("method", "images", "held_out", "tensors") if name in facts)
    return True, shown


def _numerics(evidence: Evidence, words: Words) -> Seen:
    relabelled = sum(1 for cell in evidence.measured if cell.label != cell.precision)
    return not relabelled, words("seen_numerics", relabelled=relabelled, count=len(evidence.measured))


def _fingerprint(evidence: Evidence, words: Words) -> Seen:
    ids = evidence.platform_ids
    return len(ids) == 1, words("seen_fingerprint", ids=", ".join(ids))


RULES: dict[str, Callable[[Evidence, Words], Seen]] = {
    "interleaved": _interleaved,
    "settled": _settled,
    "rebuilt": _rebuilt,
    "control": _control,
    "runs": _runs,
    "quiet": _quiet,
    "whole": _whole,
    "chance": _chance,
    "calibration": _calibration,
    "numerics": _numerics,
    "fingerprint": _fingerprint,
}
