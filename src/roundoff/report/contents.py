"""What the report consists of, in order."""

from __future__ import annotations

from roundoff.report.render.document import Heading, Page
from roundoff.report.sections.answer import answer_section
from roundoff.report.sections.changes import changes_section
from roundoff.report.sections.energy import energy_section
from roundoff.report.sections.head_to_head import head_to_head_table
from roundoff.report.sections.latency import latency_section
from roundoff.report.sections.machine import machine_section
from roundoff.report.sections.method import method_section
from roundoff.report.sections.tables import framework_section, load_section, precision_section, size_section
from roundoff.report.sections.training import curves_section, noise_section
from roundoff.report.sections.verdicts import verdict_section
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence


def page_of(evidence: Evidence, words: Words, examples: int) -> Page:
    """The answer, the tables, then what they rest on; with at most `examples` images whose answer changed."""
    page = Page()
    page.add(Heading(1, words("title"), "top"))
    answer_section(page, evidence, words)
    tables = (precision_section, framework_section, head_to_head_table, size_section, load_section, energy_section)
    for section in tables:
        section(page, evidence, words)
    verdict_section(page, evidence, words)
    latency_section(page, evidence, words)
    changes_section(page, evidence, words, examples)
    for section in (noise_section, curves_section, method_section, machine_section):
        section(page, evidence, words)
    return page
