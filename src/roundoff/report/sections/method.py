"""Which measuring rules held, judged from the files of the run alone."""

from __future__ import annotations

from collections.abc import Mapping

from roundoff.report.render.document import Details, Field, Heading, Page, Paragraph, Table, row
from roundoff.report.rules import device as rules_device
from roundoff.report.rules import model as rules_model
from roundoff.report.rules import timing as rules_timing
from roundoff.report.rules.rule import Rule, Seen
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

RULES: dict[str, Rule] = {
    "interleaved": rules_timing.interleaved,
    "warmed_up": rules_timing.warmed_up,
    "settled": rules_timing.settled,
    "rebuilt": rules_timing.rebuilt,
    "aa_control": rules_timing.aa_control,
    "runs": rules_timing.enough_runs,
    "cuda_graphs": rules_timing.cuda_graphs,
    "quiet": rules_device.quiet,
    "conditions": rules_device.conditions,
    "energy_read": rules_device.energy,
    "outputs": rules_model.outputs,
    "repeats": rules_model.repeats,
    "whole": rules_model.whole,
    "chance": rules_model.chance,
    "calibration": rules_model.calibration,
    "numerics": rules_model.numerics,
    "fingerprint": rules_device.fingerprint,
}


def method_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Tables: the rule, what was observed, whether it held; rules that held fold away."""
    seen = {name: rule(evidence, words) for name, rule in RULES.items()}
    page.add(Heading(2, words("method_heading"), "method"), Paragraph(words("method_intro")))
    others = {name: one for name, one in seen.items() if not one[0]}
    if others:
        page.add(_table(words("method_caption"), others, words))
    held = {name: one for name, one in seen.items() if one[0]}
    if held:
        caption = words("rules_held", count=len(held))
        page.add(Details(caption, (_table(caption, held, words),)))


def _table(caption: str, seen: Mapping[str, Seen], words: Words) -> Table:
    columns = tuple(words(f"col_{name}") for name in ("rule", "observed", "held"))
    return Table(caption, columns, tuple(_rule_row(name, one, words) for name, one in seen.items()), labels=3)


def _rule_row(name: str, seen: Seen, words: Words) -> tuple[Field, ...]:
    held, text = seen
    if held is None:
        outcome = words("not_judged" if text else "unknown")
        return row(words(f"rule_{name}"), text or words("unknown"), Field(outcome, "muted"))
    return row(words(f"rule_{name}"), text, Field(words("held" if held else "not_held"), "good" if held else "bad"))
