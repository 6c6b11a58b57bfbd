"""What a test knows to be there, for types that allow for less."""

from typing import TypeVar

from roundoff.report.render.document import Block, Heading, Paragraph

T = TypeVar("T")


def present(value: T | None) -> T:
    assert value is not None
    return value


def text_of(block: Block) -> str:
    assert isinstance(block, Heading | Paragraph)
    return block.text
