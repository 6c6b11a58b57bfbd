"""Blocks → GitHub Markdown; every text is escaped, images are links into the folder of plots."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import assert_never

from roundoff.report.render.document import (
    Block,
    Bullets,
    Details,
    Field,
    Figure,
    Gallery,
    Heading,
    Paragraph,
    Table,
)

_WEIGHTS = {"": "", "lead": "**{}**", "warning": "> [!WARNING]\n> {}", "note": "> {}"}
_TONES = {"": "{}", "good": "✅ {}", "bad": "❌ {}", "unsure": "❔ {}", "muted": "*{}*"}


def markdown_from_blocks(blocks: Iterable[Block], plots: str) -> str:
    """The document as Markdown; `plots` is the folder of plots, relative to the document."""
    return "\n\n".join(_block(block, plots) for block in blocks) + "\n"


def _block(block: Block, plots: str) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {as_it_is(block.text)}"
        case Paragraph():
            return (_WEIGHTS[block.weight] or "{}").format(as_it_is(block.text))
        case Bullets():
            return "\n".join(f"- {as_it_is(item)}" for item in block.items)
        case Table():
            return _table(block)
        case Figure():
            return f"![{as_it_is(block.alt)}]({plots}/{block.name}.png)\n\n*{as_it_is(block.caption)}*"
        case Gallery():
            return f"![{as_it_is(block.alt)}]({plots}/{block.sheet}.png)"
        case Details():
            inner = "\n\n".join(_block(inside, plots) for inside in block.blocks)
            return f"<details><summary>{html.escape(block.summary)}</summary>\n\n{inner}\n\n</details>"
        case _:
            assert_never(block)


def _table(table: Table) -> str:
    rules = ["---"] * table.labels + ["---:"] * (len(table.columns) - table.labels)
    lines = [_line(map(as_it_is, table.columns)), _line(rules)]
    lines += [_line(text for field in fields for text in _field(field)) for fields in table.rows]
    return f"**{as_it_is(table.caption)}**\n\n" + "\n".join(lines)


def _field(field: Field) -> list[str]:
    text = _TONES[field.tone].format(as_it_is(field.text)) if field.text else ""
    return [text] + [""] * (field.span - 1)


def _line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def as_it_is(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", one_line)
