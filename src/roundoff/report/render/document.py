"""What a report is made of: blocks that the Markdown and the HTML writer both know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

Tone = Literal["", "good", "bad", "unsure", "muted"]
Weight = Literal["", "lead", "warning", "note", "cite"]


@dataclass(frozen=True)
class Field:
    """One field of a table; `span` covers further columns to its right."""

    text: str
    tone: Tone = ""
    span: int = 1


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title of the page. `anchor` names it in links."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str
    weight: Weight = ""


@dataclass(frozen=True)
class Bullets:
    """An unordered list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the first `labels` columns are text, the others are numbers set to the right.

    `marked` are the numbers of the rows that stand out, from 0.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Field, ...], ...]
    labels: int = 1
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Fact:
    """One thing that a reader wants first: what it is, its figure or name, and what that rests on."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """What a reader wants first, one below the other."""

    items: tuple[Fact, ...]


@dataclass(frozen=True)
class Link:
    """A way to the heading `anchor`, and what is found there; `first` where it is to be read first."""

    text: str
    anchor: str
    about: str
    first: bool = False


@dataclass(frozen=True)
class Contents:
    """The page's headings; those to read first have a column of their own, each column under its name."""

    first: str
    others: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Term:
    """A word and its meaning; `forms` are what running text has of it, which leads to `anchor`."""

    name: str
    anchor: str
    meaning: str
    forms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glossary:
    """Words and their meanings."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Download:
    """A file that is inside the page: its name, its media type, its text."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True)
class Downloads:
    """Files that the page hands out; a document that cannot hold files leaves them out."""

    text: str
    files: tuple[Download, ...]


@dataclass(frozen=True)
class Figure:
    """The plot `name` (plots/NAME.png; inline in HTML) with what it shows in words."""

    name: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Picture:
    """A small image (PNG bytes) with a caption, to be shown side by side with others."""

    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Small images in a grid; `sheet` names the plot that holds all of them where images cannot be inlined."""

    sheet: str
    alt: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away on a screen and open in print."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Beside:
    """Two groups of blocks, side by side where there is room."""

    left: tuple[Block, ...]
    right: tuple[Block, ...]


Block = (
    Heading
    | Paragraph
    | Bullets
    | Table
    | Facts
    | Contents
    | Glossary
    | Downloads
    | Figure
    | Gallery
    | Details
    | Beside
)


def row(*values: str | Field) -> tuple[Field, ...]:
    """Fields of one table row; plain strings have no tone."""
    return tuple(value if isinstance(value, Field) else Field(value) for value in values)


@dataclass(frozen=True)
class Drawing:
    """A drawn plot: a PNG on white, and an SVG without a background for pages."""

    png: bytes
    svg: bytes


class Page:
    """A document being written: its blocks in order, and its drawings by name."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.drawings: dict[str, Drawing] = {}

    def add(self, *blocks: Block) -> None:
        """Append blocks."""
        self.blocks += blocks

    def plot(self, drawing: Drawing | None, figure: Figure) -> None:
        """Append a plot with its drawing; nothing where there was nothing to draw."""
        self.add(*self.drawn(drawing, figure))

    def plots(self, drawn: Iterable[tuple[Drawing | None, Figure]]) -> None:
        """Append plots, two side by side where there is room."""
        figures = [block for drawing, figure in drawn for block in self.drawn(drawing, figure)]
        for left, right in zip_longest(figures[::2], figures[1::2]):
            self.add(Beside((left,), (right,)) if right else left)

    def drawn(self, drawing: Drawing | None, figure: Figure) -> tuple[Figure, ...]:
        """The plot as a block, its drawing kept; nothing where there was nothing to draw."""
        if drawing is None:
            return ()
        self.drawings[figure.name] = drawing
        return (figure,)
