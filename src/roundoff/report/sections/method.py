"""Which measuring rules held, judged from the files of the run alone."""

from __future__ import annotations

from roundoff.report.render.document import Field, Heading, Page, Paragraph, Table, row
from roundoff.report.rules import device as rules_device
from roundoff.report.rules import model as rules_model
from roundoff.report.rules import timing as rules_timing
from roundoff.report.rules.rule import Rule, Seen
from roundoff.report.words.numbers import MISSING
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
    "energy": rules_device.energy,
    "outputs": rules_model.outputs,
    "repeats": rules_model.repeats,
    "whole": rules_model.whole,
    "chance": rules_model.chance,
    "calibration": rules_model.calibration,
    "numerics": rules_model.numerics,
    "fingerprint": rules_device.fingerprint,
}


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
        outcome = MISSING if text else words("unknown")
        return row(words(f"rule_{name}"), text or words("unknown"), Field(outcome, "muted"))
    return row(words(f"rule_{name}"), text, Field(words("held" if held else "not_held"), "good" if held else "unsure"))
