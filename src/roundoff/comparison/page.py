"""The page of a comparison: what ships where, then each cell beside itself in the other runs."""

from __future__ import annotations

from roundoff.comparison.sections.accuracy import accuracy_section
from roundoff.comparison.sections.everything import everything_section, runs_section
from roundoff.comparison.sections.front import front_section
from roundoff.comparison.sections.ships import ships_section
from roundoff.comparison.sections.speed import speed_section, verdicts_section
from roundoff.comparison.sections.touched import touched_section
from roundoff.comparison.sheet import Sheet
from roundoff.report.render.document import Heading, Page

SECTIONS = (
    ships_section,
    verdicts_section,
    speed_section,
    accuracy_section,
    front_section,
    touched_section,
    everything_section,
    runs_section,
)


def page_of(sheet: Sheet) -> Page:
    """The whole page."""
    page = Page()
    page.add(Heading(1, sheet.words("compare_title", count=len(sheet.runs)), "top"))
    for section in SECTIONS:
        section(page, sheet)
    return page
