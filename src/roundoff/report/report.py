"""The report: one document from the files of a run, as Markdown, as HTML, and as plots."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from roundoff.errors import ConfigError
from roundoff.report.plots.dvc_csv import csv_files
from roundoff.report.render.document import Heading, Page
from roundoff.report.render.html import html_from_blocks
from roundoff.report.render.markdown import markdown_from_blocks
from roundoff.report.sections.answer import answer_section
from roundoff.report.sections.changes import changes_section
from roundoff.report.sections.energy import energy_section
from roundoff.report.sections.head_to_head import head_to_head_table
from roundoff.report.sections.latency import latency_section
from roundoff.report.sections.machine import machine_section
from roundoff.report.sections.method import method_section
from roundoff.report.sections.tables import framework_section, load_section, precision_section, size_section
from roundoff.report.sections.training import curves_section, noise_section
from roundoff.report.sections.verdicts import verdict_section
from roundoff.results.message import Words
from roundoff.results.verdict import Verdict
from roundoff.revisions.read import Evidence, Sources, read_evidence
from roundoff.system import own
from roundoff.system.files import whole_directory, whole_file

MOST_EXAMPLES = 200


@dataclass(frozen=True)
class Report:
    """The language of the report (`en` or `ja`), and how many images that INT8 changed it shows at most."""

    language: str = "en"
    flip_examples: int = 12

    def __post_init__(self) -> None:
        Words(self.language)
        if not 0 <= self.flip_examples <= MOST_EXAMPLES:
            raise ConfigError(
                "report.flip_examples is out of range",
                received=self.flip_examples,
                expected=f"0 to {MOST_EXAMPLES}",
                fix="set report.flip_examples accordingly",
            )

    def run(self, sources: Sources, verdict: Verdict | None, output: Path, plots: Path) -> None:
        """Write OUTPUT/report.md, OUTPUT/report.html and the folder `plots` (PNG, and CSV for `dvc plots`).

        Raises DataError where there are no cells to report.
        """
        evidence = read_evidence(sources, verdict)
        page = self.page(evidence)
        with whole_directory(plots, own.plots) as partial:
            for name, drawing in page.drawings.items():
                (partial / f"{name}.png").write_bytes(drawing.png)
            for name, text in csv_files(evidence).items():
                (partial / name).write_text(text, encoding="utf-8")
        _write(output / "report.md", markdown_from_blocks(page.blocks, os.path.relpath(plots, output)))
        _write(output / "report.html", html_from_blocks(page.blocks, self.language, page.drawings))

    def page(self, evidence: Evidence) -> Page:
        """The document: the answer, the tables, then what they rest on."""
        page, words = Page(), Words(self.language)
        page.add(Heading(1, words("title"), "top"))
        answer_section(page, evidence, words)
        tables = (precision_section, framework_section, head_to_head_table, size_section, load_section, energy_section)
        for section in tables:
            section(page, evidence, words)
        verdict_section(page, evidence, words)
        latency_section(page, evidence, words)
        changes_section(page, evidence, words, self.flip_examples)
        for section in (noise_section, curves_section, method_section, machine_section):
            section(page, evidence, words)
        return page


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
