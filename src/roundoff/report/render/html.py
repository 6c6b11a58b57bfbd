"""Blocks → one HTML file that loads nothing: style and images are inside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import assert_never
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from roundoff.report.render.document import (
    Beside,
    Block,
    Bullets,
    Contents,
    Details,
    Downloads,
    Drawing,
    Facts,
    Figure,
    Gallery,
    Heading,
    Link,
    Paragraph,
    Picture,
    Table,
)
from roundoff.report.render.tables import table_element, text_element

Drawings = Mapping[str, Drawing]


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
            return text_element(f"h{block.level}", block.text, id=block.anchor)
        case Paragraph():
            return text_element("p", block.text, **({"class": block.weight} if block.weight else {}))
        case Bullets():
            return _bullets(block)
        case Facts():
            return _facts(block)
        case Contents():
            return _contents(block)
        case Downloads():
            return _downloads(block)
        case Table():
            return table_element(block)
        case Figure():
            return _figure(block, drawings)
        case Gallery():
            return _gallery(block)
        case Details():
            return _details(block, drawings)
        case Beside():
            return _beside(block, drawings)
        case _:
            assert_never(block)


def _bullets(block: Bullets) -> Element:
    bullets = Element("ul")
    for item in block.items:
        SubElement(bullets, "li").text = item
    return bullets


def _facts(block: Facts) -> Element:
    """A description list, each pair in a box."""
    facts = Element("dl", {"class": "facts"})
    for fact in block.items:
        box = SubElement(facts, "div")
        SubElement(box, "dt").text = fact.label
        value = SubElement(box, "dd")
        SubElement(value, "strong").text = fact.value
        if fact.note:
            SubElement(value, "span").text = fact.note
    return facts


def _contents(block: Contents) -> Element:
    contents = Element("div", {"class": "contents"})
    for name, first in ((block.first, True), (block.others, False)):
        links = [link for link in block.links if link.first == first]
        if links:
            column = SubElement(contents, "nav", {"aria-label": name})
            column.append(text_element("h3", name))
            _links(SubElement(column, "ul"), links)
    return contents


def _links(parent: Element, links: Iterable[Link]) -> None:
    for link in links:
        item = SubElement(parent, "li")
        item.append(text_element("a", link.text, href=f"#{link.anchor}"))
        SubElement(item, "span").text = link.about


def _downloads(block: Downloads) -> Element:
    line = Element("p", {"class": "downloads"})
    line.text = f"{block.text} "
    for file in block.files:
        source = _data_uri(file.kind, file.text.encode())
        SubElement(line, "a", href=source, download=file.name).text = file.name
    return line


def _beside(block: Beside, drawings: Drawings) -> Element:
    both = Element("div", {"class": "beside"})
    for blocks in (block.left, block.right):
        _append(SubElement(both, "div"), blocks, drawings)
    return both


def _details(block: Details, drawings: Drawings) -> Element:
    details = Element("details")
    SubElement(details, "summary").text = block.summary
    _append(details, block.blocks, drawings)
    return details


def _figure(block: Figure, drawings: Drawings) -> Element:
    figure = Element("figure", {"class": "plot"})
    SubElement(figure, "img", src=_data_uri("image/svg+xml", drawings[block.name].svg), alt=block.alt)
    SubElement(figure, "figcaption").text = block.caption
    return figure


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64," + b64encode(content).decode("ascii")


def _gallery(block: Gallery) -> Element:
    gallery = Element("div", {"class": "gallery"})
    for picture in block.pictures:
        gallery.append(_picture(picture))
    return gallery


def _picture(picture: Picture) -> Element:
    figure = Element("figure")
    SubElement(figure, "img", src=_data_uri("image/png", picture.png), alt=picture.alt)
    SubElement(figure, "figcaption").text = picture.caption
    return figure
