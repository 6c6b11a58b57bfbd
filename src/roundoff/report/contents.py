"""What the report consists of, in order."""

from __future__ import annotations

from dataclasses import dataclass

from roundoff.report.render.document import Contents, Heading, Link, Page
from roundoff.report.sections.answer import answer_section, next_section, notes_section, uses_section
from roundoff.report.sections.batches import batches_section, cost_section
from roundoff.report.sections.changes import changes_section
from roundoff.report.sections.classes import classes_section
from roundoff.report.sections.draws import draws_section
from roundoff.report.sections.energy import energy_section
from roundoff.report.sections.files import files_section
from roundoff.report.sections.frameworks import framework_section, load_section, size_section
from roundoff.report.sections.glossary import glossary_section
from roundoff.report.sections.head_to_head import head_to_head_table
from roundoff.report.sections.latency import latency_section
from roundoff.report.sections.layers import layers_section
from roundoff.report.sections.machine import machine_section
from roundoff.report.sections.method import method_section
from roundoff.report.sections.precision import precision_section
from roundoff.report.sections.sensitivity import sensitivity_section
from roundoff.report.sections.slices import slices_section
from roundoff.report.sections.training import curves_section, noise_section
from roundoff.report.sections.verdicts import verdict_section
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

FIRST = ("uses", "next", "notes", "precision", "verdict", "classes", "sensitivity")
"""What to read first, by the anchors of the headings."""


@dataclass(frozen=True)
class Shown:
    """What of a run is shown: at most `examples` images whose answer changed, costs where the machine has a price."""

    examples: int
    price_per_hour: float | None = None


def page_of(evidence: Evidence, words: Words, shown: Shown) -> Page:
    """The answer, the contents, the tables, then what they rest on."""
    page = Page()
    page.add(Heading(1, words("title"), "top"))
    answer_section(page, evidence, words, shown.price_per_hour)
    body = _body(evidence, words, shown)
    page.add(Heading(2, words("contents_heading"), "contents"), _contents(body, words))
    page.add(*body.blocks)
    page.drawings |= body.drawings
    return page


def _body(evidence: Evidence, words: Words, shown: Shown) -> Page:
    page = Page()
    for section in (uses_section, next_section, notes_section, precision_section, head_to_head_table, batches_section):
        section(page, evidence, words)
    cost_section(page, evidence, shown.price_per_hour, words)
    verdict_section(page, evidence, words)
    classes_section(page, evidence, words)
    slices_section(page, evidence, words)
    changes_section(page, evidence, words, shown.examples)
    sensitivity_section(page, evidence, words)
    tables = (framework_section, size_section, load_section, energy_section, latency_section, layers_section)
    for section in (
        *tables,
        draws_section,
        noise_section,
        curves_section,
        method_section,
        machine_section,
        files_section,
        glossary_section,
    ):
        section(page, evidence, words)
    return page


def _contents(body: Page, words: Words) -> Contents:
    """A link to each heading of the second level."""
    headings = [block for block in body.blocks if isinstance(block, Heading) and block.level == 2]
    links = (Link(one.text, one.anchor, words(f"about_{one.anchor}"), one.anchor in FIRST) for one in headings)
    return Contents(words("contents_first"), words("contents_others"), tuple(links))
