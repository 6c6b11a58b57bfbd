"""The report: one document from the files of a run, as Markdown, as HTML, and as plots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from roundoff.errors import ConfigError
from roundoff.pipeline.limits import require
from roundoff.results.message import Words
from roundoff.system import own
from roundoff.system.files import whole_directory, whole_file

if TYPE_CHECKING:
    from roundoff.report.render.document import Page
    from roundoff.results.slices import SliceLoss
    from roundoff.results.verdict import Verdict
    from roundoff.revisions.read import Evidence, Sources

MOST_EXAMPLES = 200


@dataclass(frozen=True)
class Report:
    """The language of the report (`en` or `ja`), and how many images that INT8 changed it shows at most.

    With `price_per_hour`, the machine's price in any currency, it says what a million images cost.
    """

    language: str = "en"
    flip_examples: int = 12
    price_per_hour: float | None = None

    def __post_init__(self) -> None:
        Words(self.language)
        if not 0 <= self.flip_examples <= MOST_EXAMPLES:
            raise ConfigError(
                "report.flip_examples is out of range",
                received=self.flip_examples,
                expected=f"0 to {MOST_EXAMPLES}",
                fix="set report.flip_examples accordingly",
            )
        price = self.price_per_hour
        require(price is None or 0 < price < inf, "report.price_per_hour", price, "a price above 0, or null")

    def run(
        self,
        sources: Sources,
        verdict: Verdict | None,
        output: Path,
        plots: Path,
        slices: Sequence[SliceLoss] = (),
    ) -> Evidence:
        """Write OUTPUT/report.md, OUTPUT/report.html and the folder `plots` (PNG, and CSV for `dvc plots`).

        Returns what they are written from. Raises DataError where there are no cells to report.
        """
        from roundoff.report.plots.dvc_csv import csv_files
        from roundoff.report.render.html import html_from_blocks
        from roundoff.report.render.markdown import markdown_from_blocks
        from roundoff.revisions.read import read_evidence

        evidence = read_evidence(sources, verdict, slices)
        page = self.page(evidence)
        with whole_directory(plots, own.plots) as partial:
            for name, drawing in page.drawings.items():
                (partial / f"{name}.png").write_bytes(drawing.png)
            for name, text in csv_files(evidence).items():
                (partial / name).write_text(text, encoding="utf-8")
        _write(output / "report.md", markdown_from_blocks(page.blocks, os.path.relpath(plots, output)))
        _write(output / "report.html", html_from_blocks(page.blocks, self.language, page.drawings))
        return evidence

    def tell(self, evidence: Evidence, output: Path) -> None:
        """Print the answer, and where the page is."""
        from roundoff.report.render.terminal import tell

        page = output / "report.html"
        tell(evidence, Words(self.language), page.relative_to(Path.cwd()) if page.is_relative_to(Path.cwd()) else page)

    def page(self, evidence: Evidence) -> Page:
        """The document: the answer, the tables, then what they rest on."""
        from roundoff.report.contents import Shown, page_of

        return page_of(evidence, Words(self.language), Shown(self.flip_examples, self.price_per_hour))


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
