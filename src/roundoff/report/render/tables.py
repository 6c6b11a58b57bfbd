"""A table block → HTML: a table where there is room, a card for each row on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from roundoff.report.render.document import Field, Table
from roundoff.report.words.numbers import MISSING

WORD, SENTENCE = 14, 28
NARROW, GAP = 46, 2  # letters across a telephone, and of them between two columns
BARE = 6  # letters of a row's name that tell nothing without their column, on a card, which has no head
ROLES = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
"""Said outright, since a table that is laid out as cards is none to a browser."""


def text_element(tag: str, text: str, **attributes: str) -> Element:
    """An element that holds a text."""
    element = Element(tag, attributes)
    element.text = text
    return element


def table_element(block: Table) -> Element:
    """A table in a box of its own, so that a wide one scrolls inside it and never the page."""
    shape = "scroll" if _is_narrow(block) else "scroll cards"
    box = Element("div", {"class": shape, "tabindex": "0", "role": "region", "aria-label": block.caption})
    table = SubElement(box, "table", role=ROLES["table"])
    SubElement(table, "caption").text = block.caption
    heads = SubElement(SubElement(table, "thead", role=ROLES["thead"]), "tr", role=ROLES["tr"])
    for index, name in enumerate(block.columns):
        heads.append(text_element("th", name, scope="col", role="columnheader", **_alignment(index, block)))
    body = SubElement(table, "tbody", role=ROLES["tbody"])
    for number, fields in enumerate(block.rows):
        marked = {"class": "marked"} if number in block.marked else {}
        _row(SubElement(body, "tr", marked, role=ROLES["tr"]), fields, block)
    return box


def _is_narrow(table: Table) -> bool:
    """Whether it fits on a telephone as it is, names in several lines."""
    texts = [(index, field) for fields in table.rows for index, field in enumerate(fields)]
    if any(field.span > 1 or (len(field.text) > SENTENCE and index) for index, field in texts):
        return False
    widths = [max(map(len, head.split()), default=0) for head in table.columns]
    for index, field in texts:
        length = min(len(field.text), WORD) if index < table.labels else len(field.text)
        widths[index] = max(widths[index], length)
    return sum(widths) + GAP * len(widths) <= NARROW


def _row(line: Element, fields: Sequence[Field], table: Table) -> None:
    index = 0
    for field in fields:
        empty = "empty" if field.text in ("", MISSING) else ""
        names = (field.tone, empty, *_shape(field, index < table.labels))
        attributes = {"class": " ".join(filter(None, names))} if any(names) else {}
        if field.span > 1:
            attributes["colspan"] = str(field.span)
        if index == 0:
            named = {"data-name": table.columns[0]} if len(field.text) <= BARE else {}
            line.append(text_element("th", field.text, scope="row", role="rowheader", **named, **attributes))
        else:
            name = table.columns[index] if field.span == 1 else ""
            cell = Element("td", {"role": ROLES["td"], "data-name": name, **attributes})
            SubElement(cell, "span").text = field.text
            line.append(cell)
        index += field.span


def _shape(field: Field, label: bool) -> tuple[str, str]:
    """Whether it is set as a number, and how it may wrap: sentences in wide columns, names in narrow ones."""
    number = "" if label or field.span > 1 else "number"
    if len(field.text) > SENTENCE:
        return number, "prose"
    return number, "names" if label and len(field.text) > WORD else ""


def _alignment(index: int, table: Table) -> dict[str, str]:
    return {"class": "number"} if index >= table.labels else {}
