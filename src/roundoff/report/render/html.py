"""Blocks → one HTML file that loads nothing: style and images are inside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import assert_never
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from roundoff.report.render.document import (
    Block,
    Bullets,
    Details,
    Drawing,
    Field,
    Figure,
    Gallery,
    Heading,
    Paragraph,
    Picture,
    Table,
)

Drawings = Mapping[str, Drawing]
WORD, SENTENCE = 14, 28


def html_from_blocks(blocks: Sequence[Block], language: str, drawings: Drawings) -> str:
    """The document as HTML; `drawings` holds every figure by its name."""
    html = Element("html", lang=language)
    html.append(_head(next(block.text for block in blocks if isinstance(block, Heading))))
    body = SubElement(html, "body")
    _append(SubElement(body, "main"), blocks, drawings)
    text = ElementTree.tostring(html, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{text}\n"


def _head(title: str) -> Element:
    head = Element("head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "meta", name="color-scheme", content="light dark")
    SubElement(head, "title").text = title
    SubElement(head, "style").text = files("roundoff.report.render").joinpath("page.css").read_text("utf-8")
    return head


def _append(parent: Element, blocks: Iterable[Block], drawings: Drawings) -> None:
    for block in blocks:
        parent.append(_block(block, drawings))


def _block(block: Block, drawings: Drawings) -> Element:
    match block:
        case Heading():
            return _text(f"h{block.level}", block.text, id=block.anchor)
        case Paragraph():
            return _text("p", block.text, **({"class": block.weight} if block.weight else {}))
        case Bullets():
            return _bullets(block)
        case Table():
            return _table(block)
        case Figure():
            return _figure(block, drawings)
        case Gallery():
            return _gallery(block)
        case Details():
            return _details(block, drawings)
        case _:
            assert_never(block)


def _text(tag: str, text: str, **attributes: str) -> Element:
    element = Element(tag, attributes)
    element.text = text
    return element


def _bullets(block: Bullets) -> Element:
    bullets = Element("ul")
    for item in block.items:
        SubElement(bullets, "li").text = item
    return bullets


def _details(block: Details, drawings: Drawings) -> Element:
    details = Element("details")
    SubElement(details, "summary").text = block.summary
    _append(details, block.blocks, drawings)
    return details


def _table(block: Table) -> Element:
    """A table in a box of its own, so that a wide one scrolls inside it and never the page."""
    box = Element("div", {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": block.caption})
    table = SubElement(box, "table")
    SubElement(table, "caption").text = block.caption
    heads = SubElement(SubElement(table, "thead"), "tr")
    for index, name in enumerate(block.columns):
        heads.append(_text("th", name, scope="col", **_alignment(index, block)))
    body = SubElement(table, "tbody")
    for fields in block.rows:
        _row(SubElement(body, "tr"), fields, block)
    return box


def _row(line: Element, fields: Sequence[Field], table: Table) -> None:
    index = 0
    for field in fields:
        names = [
            field.tone,
            "" if index < table.labels or field.span > 1 else "number",
            _wrapping(field, index < table.labels),
        ]
        attributes = {"class": " ".join(filter(None, names))} if any(names) else {}
        if field.span > 1:
            attributes["colspan"] = str(field.span)
        if index == 0:
            attributes["scope"] = "row"
        line.append(_text("th" if index == 0 else "td", field.text, **attributes))
        index += field.span


def _wrapping(field: Field, label: bool) -> str:
    """How a text may wrap: sentences in wide columns, names in narrow ones; numbers and short words not at all."""
    if len(field.text) > SENTENCE:
        return "prose"
    return "names" if label and len(field.text) > WORD else ""


def _alignment(index: int, table: Table) -> dict[str, str]:
    return {"class": "number"} if index >= table.labels else {}


def _figure(block: Figure, drawings: Drawings) -> Element:
    figure = Element("figure", {"class": "plot"})
    SubElement(figure, "img", src=_data_uri("svg+xml", drawings[block.name].svg), alt=block.alt)
    SubElement(figure, "figcaption").text = block.caption
    return figure


def _data_uri(kind: str, image: bytes) -> str:
    return f"data:image/{kind};base64," + b64encode(image).decode("ascii")


def _gallery(block: Gallery) -> Element:
    gallery = Element("div", {"class": "gallery"})
    for picture in block.pictures:
        gallery.append(_picture(picture))
    return gallery


def _picture(picture: Picture) -> Element:
    figure = Element("figure")
    SubElement(figure, "img", src=_data_uri("png", picture.png), alt=picture.alt)
    SubElement(figure, "figcaption").text = picture.caption
    return figure
