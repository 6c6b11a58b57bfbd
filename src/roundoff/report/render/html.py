"""Blocks → one HTML file that loads nothing: style and images are inside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    Glossary,
    Heading,
    Link,
    Paragraph,
    Picture,
    Table,
)
from roundoff.report.render.tables import table_element, text_element
from roundoff.report.render.term_links import TermLinks

Drawings = Mapping[str, Drawing]
PARTS = ", "  # what a citation's parts are joined by


@dataclass(frozen=True)
class Means:
    """What blocks are written with: the figures by their names, and the links of their words."""

    drawings: Drawings
    links: TermLinks


def html_from_blocks(blocks: Sequence[Block], language: str, drawings: Drawings) -> str:
    """The document as HTML; `drawings` holds every figure by its name."""
    html = Element("html", lang=language)
    html.append(_head(next(block.text for block in blocks if isinstance(block, Heading))))
    body = SubElement(html, "body")
    terms = [term for block in blocks if isinstance(block, Glossary) for term in block.terms]
    _append(SubElement(body, "main"), blocks, Means(drawings, TermLinks(terms)))
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


def _append(parent: Element, blocks: Iterable[Block], means: Means) -> None:
    for block in blocks:
        parent.append(_block(block, means))


def _block(block: Block, means: Means) -> Element:
    match block:
        case Heading():
            return _heading(block, means)
        case Paragraph():
            return _paragraph(block, means)
        case Bullets():
            return _bullets(block, means)
        case Facts():
            return _facts(block, means)
        case Glossary():
            return _glossary(block)
        case Contents():
            return _contents(block)
        case Downloads():
            return _downloads(block)
        case Table():
            return table_element(block)
        case Figure():
            return _figure(block, means)
        case Gallery():
            return _gallery(block)
        case Details():
            return _details(block, means)
        case Beside():
            return _beside(block, means)
        case _:
            assert_never(block)


def _heading(block: Heading, means: Means) -> Element:
    if block.level <= 2:
        means.links.new_section()
    return text_element(f"h{block.level}", block.text, id=block.anchor)


def _paragraph(block: Paragraph, means: Means) -> Element:
    paragraph = Element("p", {"class": block.weight} if block.weight else {})
    if block.weight == "cite":
        return _cited(paragraph, block.text)
    if block.weight == "lead":
        paragraph.text = block.text
        return paragraph
    return means.links.fill(paragraph, block.text)


def _cited(paragraph: Element, text: str) -> Element:
    """A citation in parts that a narrow screen does not break, such as a date."""
    parts = text.split(PARTS)
    for number, part in enumerate(parts):
        piece = SubElement(paragraph, "span")
        piece.text = part if number == len(parts) - 1 else part + PARTS.rstrip()
        piece.tail = " "
    return paragraph


def _glossary(block: Glossary) -> Element:
    words = Element("dl", {"class": "glossary"})
    for term in block.terms:
        words.append(text_element("dt", term.name, id=term.anchor))
        words.append(text_element("dd", term.meaning))
    return words


def _bullets(block: Bullets, means: Means) -> Element:
    bullets = Element("ul")
    for item in block.items:
        means.links.fill(SubElement(bullets, "li"), item)
    return bullets


def _facts(block: Facts, means: Means) -> Element:
    """A description list, each pair in a box."""
    facts = Element("dl", {"class": "facts"})
    for fact in block.items:
        box = SubElement(facts, "div")
        SubElement(box, "dt").text = fact.label
        value = SubElement(box, "dd")
        SubElement(value, "strong").text = fact.value
        if fact.note:
            means.links.fill(SubElement(value, "span"), fact.note)
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
        link = SubElement(line, "a", href=source, download=file.name)
        link.text = file.name
        link.tail = "" if file is block.files[-1] else ", "
    return line


def _beside(block: Beside, means: Means) -> Element:
    both = Element("div", {"class": "beside"})
    for blocks in (block.left, block.right):
        _append(SubElement(both, "div"), blocks, means)
    return both


def _details(block: Details, means: Means) -> Element:
    details = Element("details")
    SubElement(details, "summary").text = block.summary
    _append(details, block.blocks, means)
    return details


def _figure(block: Figure, means: Means) -> Element:
    figure = Element("figure", {"class": "plot"})
    SubElement(figure, "img", src=_data_uri("image/svg+xml", means.drawings[block.name].svg), alt=block.alt)
    means.links.fill(SubElement(figure, "figcaption"), block.caption)
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
