"""What a test knows to be there, for types that allow for less."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from roundoff.report.render.document import Beside, Block, Bullets, Details, Facts, Heading, Paragraph

T = TypeVar("T")


def present(value: T | None) -> T:
    assert value is not None
    return value


def text_of(block: Block) -> str:
    assert isinstance(block, Heading | Paragraph)
    return block.text


def blocks_in(blocks: Iterable[Block]) -> Iterator[Block]:
    """All blocks in order, with those that stand side by side or are folded away."""
    for block in blocks:
        if isinstance(block, Beside):
            yield from blocks_in((*block.left, *block.right))
        else:
            yield block
            yield from blocks_in(block.blocks if isinstance(block, Details) else ())


def texts_in(blocks: Iterable[Block]) -> list[str]:
    """The texts of headings, paragraphs, bullets and facts, in order."""
    found: list[str] = []
    for block in blocks_in(blocks):
        if isinstance(block, Heading | Paragraph):
            found.append(block.text)
        elif isinstance(block, Bullets):
            found += block.items
        elif isinstance(block, Facts):
            found += [text for fact in block.items for text in (fact.value, fact.note)]
    return found
