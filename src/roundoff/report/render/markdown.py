"""Blocks → GitHub Markdown; every text is escaped, images are links into the folder of plots."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import assert_never

from roundoff.report.render.document import (
    Beside,
    Block,
    Bullets,
    Contents,
    Details,
    Downloads,
    Fact,
    Facts,
    Field,
    Figure,
    Gallery,
    Glossary,
    Heading,
    Link,
    Paragraph,
    Table,
)

_WEIGHTS = {"": "{}", "lead": "**{}**", "warning": "> [!WARNING]\n> {}", "note": "> {}", "cite": "`{}`"}
_TONES = {"": "{}", "good": "✅ {}", "bad": "❌ {}", "unsure": "❔ {}", "muted": "*{}*"}


def markdown_from_blocks(blocks: Iterable[Block], plots: str) -> str:
    """The document as Markdown; `plots` is the folder of plots, relative to the document."""
    return _joined(blocks, plots) + "\n"


def _joined(blocks: Iterable[Block], plots: str) -> str:
    return "\n\n".join(filter(None, (_block(block, plots) for block in blocks)))


def _block(block: Block, plots: str) -> str:
    match block:
        case Heading():
            return f'<a id="{block.anchor}"></a>\n\n{"#" * block.level} {as_it_is(block.text)}'
        case Paragraph():
            return _WEIGHTS[block.weight].format(block.text if block.weight == "cite" else as_it_is(block.text))
        case Bullets():
            return "\n".join(f"- {as_it_is(item)}" for item in block.items)
        case Facts():
            return "\n".join(map(_fact, block.items))
        case Contents():
            return _contents(block)
        case Glossary():
            return "\n".join(f"- **{as_it_is(term.name)}**: {as_it_is(term.meaning)}" for term in block.terms)
        case Table():
            return _table(block)
        case Figure():
            return f"![{as_it_is(block.alt)}]({plots}/{block.name}.png)\n\n*{as_it_is(block.caption)}*"
        case Gallery():
            return f"![{as_it_is(block.alt)}]({plots}/{block.sheet}.png)"
        case Details():
            inner = _joined(block.blocks, plots)
            return f"<details><summary>{html.escape(block.summary)}</summary>\n\n{inner}\n\n</details>"
        case Beside():
            return _joined((*block.left, *block.right), plots)
        case Downloads():
            return ""
        case _:
            assert_never(block)


def _fact(fact: Fact) -> str:
    return f"- {as_it_is(fact.label)}: **{as_it_is(fact.value)}** {as_it_is(fact.note)}".rstrip()


def _contents(block: Contents) -> str:
    first = [link for link in block.links if link.first]
    others = [link for link in block.links if not link.first]
    return f"{as_it_is(block.first)}\n\n{_links(first)}\n\n{as_it_is(block.others)}\n\n{_links(others)}"


def _links(links: Iterable[Link]) -> str:
    return "\n".join(f"- [{as_it_is(link.text)}](#{link.anchor}): {as_it_is(link.about)}" for link in links)


def _table(table: Table) -> str:
    rules = ["---"] * table.labels + ["---:"] * (len(table.columns) - table.labels)
    lines = [_line(map(as_it_is, table.columns)), _line(rules)]
    lines += [_row(fields, number in table.marked) for number, fields in enumerate(table.rows)]
    return f"**{as_it_is(table.caption)}**\n\n" + "\n".join(lines)


def _row(fields: Iterable[Field], marked: bool) -> str:
    texts = [text for field in fields for text in _field(field)]
    return _line(f"**{text}**" if marked and text else text for text in texts)


def _field(field: Field) -> list[str]:
    text = _TONES[field.tone].format(as_it_is(field.text)) if field.text else ""
    return [text] + [""] * (field.span - 1)


def _line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def as_it_is(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", one_line)
