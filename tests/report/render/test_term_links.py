"""Words of running text lead to the glossary, once in a section; commands are code."""

from xml.etree.ElementTree import Element, tostring

from roundoff.report.render.document import Block, Glossary, Heading, Paragraph, Term
from roundoff.report.render.html import html_from_blocks
from roundoff.report.render.markdown import markdown_from_blocks
from roundoff.report.render.term_links import TermLinks

CELL = Term("cell", "term-cell", "One precision on one backend.", ("cell", "cells"))
WAVE = Term("ばらつき", "term-noise", "変動係数。", ("ばらつき",))
LINK = '<a class="term" href="#term-cell">'


def filled(links, text):
    return tostring(links.fill(Element("p"), text), encoding="unicode")


def test_the_first_mention_in_a_section_is_a_link():
    links = TermLinks([CELL])
    assert filled(links, "Cells and a cell") == f"<p>{LINK}Cells</a> and a cell</p>"
    assert filled(links, "one more cell") == "<p>one more cell</p>"
    links.new_section()
    assert filled(links, "a cell again") == f"<p>a {LINK}cell</a> again</p>"


def test_a_part_of_a_word_is_none():
    assert filled(TermLinks([CELL]), "excellent, sub-cell, cell/x") == "<p>excellent, sub-cell, cell/x</p>"


def test_japanese_needs_no_space():
    assert ">ばらつき</a>が" in filled(TermLinks([WAVE]), "測定のばらつきが大きい")


def test_what_is_in_backticks_is_code_and_no_link():
    assert filled(TermLinks([CELL]), "run `cell --all` now") == "<p>run <code>cell --all</code> now</p>"
    assert filled(TermLinks([]), "no terms, `code`") == "<p>no terms, <code>code</code></p>"


def test_every_link_of_a_page_leads_to_its_line():
    blocks: list[Block] = [Heading(1, "t", "top"), Paragraph("a cell"), Heading(2, "w", "glossary"), Glossary((CELL,))]
    page = html_from_blocks(blocks, "en", {})
    assert f"{LINK}cell</a>" in page
    assert '<dt id="term-cell">cell</dt><dd>One precision on one backend.</dd>' in page
    assert "- **cell**: One precision on one backend." in markdown_from_blocks(blocks, "plots")
