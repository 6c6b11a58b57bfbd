"""The page of a comparison as files: HTML, Markdown, and the plots of the latter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from roundoff.comparison.page import page_of
from roundoff.comparison.sheet import Sheet
from roundoff.report.render.html import html_from_blocks
from roundoff.report.render.markdown import markdown_from_blocks
from roundoff.system.files import whole_directory, write_text

HTML, MARKDOWN, PLOTS = "compare.html", "compare.md", "plots"


def names(_: Path) -> Sequence[str]:
    """What a comparison consists of."""
    return (HTML, MARKDOWN, f"{PLOTS}/compare_*.png")


def write(sheet: Sheet, folder: Path) -> Path:
    """Write the page into `folder`, whole or not at all; the path of the HTML. One with files of others is refused."""
    page = page_of(sheet)
    with whole_directory(folder, names) as partial:
        write_text(partial / HTML, html_from_blocks(page.blocks, sheet.words.language, page.drawings))
        write_text(partial / MARKDOWN, markdown_from_blocks(page.blocks, PLOTS))
        for name, drawing in page.drawings.items():
            (partial / PLOTS).mkdir(exist_ok=True)
            (partial / PLOTS / f"{name}.png").write_bytes(drawing.png)
    return folder / HTML
