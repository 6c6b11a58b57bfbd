"""Running text: words lead to their line in the glossary, each once in a section; what is in backticks is code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element

from roundoff.report.render.document import Term

CODE = "`[^`]+`"


class TermLinks:
    """Fills elements with text in which the first of a section's mentions of a term is a link."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self._anchors = {form.lower(): term.anchor for term in terms for form in term.forms}
        self._pattern = re.compile("|".join([CODE, *map(_whole_word, self._longest_first())]), re.IGNORECASE)
        self._linked: set[str] = set()

    def new_section(self) -> None:
        """From here on each term is linked once more."""
        self._linked.clear()

    def fill(self, element: Element, text: str) -> Element:
        """Put the text into an empty element, and return that."""
        end = 0
        last: Element | None = None
        for match in self._pattern.finditer(text):
            if (inside := self._inside(match[0])) is not None:
                _write(element, last, text[end : match.start()])
                element.append(inside)
                last, end = inside, match.end()
        _write(element, last, text[end:])
        return element

    def _inside(self, found: str) -> Element | None:
        """What stands for words that were found; None where they stay as they are."""
        if found.startswith("`"):
            return _element("code", found.strip("`"))
        anchor = self._anchors[found.lower()]
        if anchor in self._linked:
            return None
        self._linked.add(anchor)
        return _element("a", found, {"class": "term", "href": f"#{anchor}"})

    def _longest_first(self) -> list[str]:
        return sorted(self._anchors, key=len, reverse=True)


def _element(tag: str, text: str, attributes: dict[str, str] | None = None) -> Element:
    element = Element(tag, attributes or {})
    element.text = text
    return element


def _whole_word(form: str) -> str:
    """A pattern of the form; letters with spaces between words end where words do."""
    inside = re.escape(form)
    return rf"(?<![\w/-]){inside}(?![\w/-])" if form.isascii() and form[0].isalnum() else inside


def _write(element: Element, last: Element | None, text: str) -> None:
    """Text behind the last link, or at the beginning."""
    if last is None:
        element.text = text
    else:
        last.tail = text
