"""What a report is made of: blocks that the Markdown and the HTML writer both know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "good", "bad", "unsure", "muted"]
Weight = Literal["", "lead", "warning", "note"]


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
    """Rows under named columns; the first `labels` columns are text, the others are numbers set to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Field, ...], ...]
    labels: int = 1


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


Block = Heading | Paragraph | Bullets | Table | Figure | Gallery | Details


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
        if drawing is not None:
            self.drawings[figure.name] = drawing
            self.blocks.append(figure)
