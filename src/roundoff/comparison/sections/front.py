"""Accuracy against speed, of all runs that share a yardstick."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.comparison.front import Field, Place, fields_of
from roundoff.comparison.naming import place_name, what_words
from roundoff.comparison.plot import front_figure
from roundoff.comparison.sheet import Sheet
from roundoff.report.render.document import Bullets, Drawing, Figure, Page, Paragraph

MOST_PLOTS = 8


def front_section(page: Page, sheet: Sheet) -> None:
    """A plot for each machine and network, and who is on the front; nothing where nothing has times."""
    fields = fields_of(sheet.compared)
    if not fields:
        return
    sheet.heading(page, "front")
    page.add(Paragraph(sheet.words("compare_front_intro")))
    page.plots(_plots(fields[:MOST_PLOTS], sheet))
    page.add(Bullets(tuple(_said(field, sheet) for field in fields[:MOST_PLOTS])))
    if len(fields) > MOST_PLOTS:
        page.add(Paragraph(sheet.words("compare_front_more", count=len(fields) - MOST_PLOTS), "note"))


def _plots(fields: list[Field], sheet: Sheet) -> Iterator[tuple[Drawing | None, Figure]]:
    for number, field in enumerate(fields, 1):
        marks = [_mark(place, sheet, field) for place in field.places]
        told = {"what": what_words(field, sheet), "yardstick": field.yardstick}
        alt = sheet.words("compare_front_alt", **told, marks=sheet.words("group_separator").join(marks))
        caption = sheet.words("compare_front_caption", **told)
        if field.line:
            caption = sheet.words("sentence_separator").join((caption, sheet.words("compare_front_line")))
        yield front_figure(field, sheet), Figure(f"compare_{number}", alt, caption)


def _mark(place: Place, sheet: Sheet, field: Field) -> str:
    values = {"speed": f"{place.speed:.2f}", "lost": f"{place.lost:.2f}"}
    return sheet.words("compare_front_mark", cell=place_name(place, sheet, field), **values)


def _said(field: Field, sheet: Sheet) -> str:
    names = sheet.words.listed(place_name(place, sheet, field) for place in field.front)
    return sheet.words("compare_front_said", what=what_words(field, sheet), cells=names)
