"""Which cells each setting changes."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.comparison.sheet import Sheet
from roundoff.comparison.touched import Effect, Touch
from roundoff.report.render.document import Bullets, Page, Paragraph

SAID: tuple[tuple[Effect, str], ...] = (
    ("same engine", "compare_touch_same"),
    ("same graph", "compare_touch_graph"),
    ("changed", "compare_touch_changed"),
    ("unknown", "compare_touch_unknown"),
)

MOST_KEYS = 6


def touched_section(page: Page, sheet: Sheet) -> None:
    """A line for each setting and effect; nothing where the runs differ in nothing that is known."""
    if not sheet.compared.touches:
        return
    sheet.heading(page, "touched")
    page.add(Paragraph(sheet.words("compare_touched_intro")), Bullets(tuple(touch_words(sheet))))


def touch_words(sheet: Sheet) -> Iterator[str]:
    """What each setting does, the cells that it leaves alone first."""
    for touch in sheet.compared.touches:
        yield from _of_setting(touch, sheet)
    if alone := [touch.key for touch in sheet.compared.touches if not touch.pairs]:
        shown = [*alone[:MOST_KEYS], *(["…"] if len(alone) > MOST_KEYS else [])]
        yield sheet.words("compare_touch_no_pair", keys=sheet.words.listed(shown))


def _of_setting(touch: Touch, sheet: Sheet) -> Iterator[str]:
    for effect, key in SAID:
        if cells := touch.with_effect(effect):
            yield sheet.words(key, key=touch.key, cells=sheet.words.listed(cells))
