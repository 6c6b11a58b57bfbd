"""The figures as files that the page hands out, and how to cite it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from roundoff.report.plots.dvc_csv import SPEED_COLUMNS, csv_files, speed_rows
from roundoff.report.render.document import Download, Downloads, Heading, Page, Paragraph
from roundoff.report.sections.machine import machine_name
from roundoff.report.words.subject import data_name, model_name, origin_words
from roundoff.results.checked import as_json
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

TITLE = "roundoff"


def files_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Downloads as CSV and JSON, and a line to cite the report by."""
    files = (
        Download("figures.csv", "text/csv", csv_files(evidence)["speed.csv"]),
        Download("figures.json", "application/json", figures_json(evidence)),
    )
    page.add(Heading(2, words("files_heading"), "files"), Downloads(words("files_text"), files))
    page.add(Paragraph(words("cite_intro")), Paragraph(citation(evidence, words), "cite"))


def figures_json(evidence: Evidence) -> str:
    """The verdict, where it was measured, and each measured cell and batch size, as in the CSV."""
    rows = [dict(zip(SPEED_COLUMNS, line, strict=True)) for line in speed_rows(evidence)]
    origin, platform = as_json(evidence.metrics.method.origin), as_json(evidence.platform)
    verdict = as_json(evidence.verdict) if evidence.verdict else None
    content = {"origin": origin, "platform": platform, "verdict": verdict, "figures": rows}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def citation(evidence: Evidence, words: Words) -> str:
    """Tool, model, data, machine, day, commit and fingerprint, as far as they are known."""
    return ", ".join(_cited(evidence, words)) + "."


def _cited(evidence: Evidence, words: Words) -> Iterator[str]:
    version = evidence.metrics.method.origin.roundoff
    yield f"{TITLE} {version}" if version else TITLE
    yield from filter(None, (model_name(evidence), data_name(evidence, words)))
    yield machine_name(evidence.platform, words)
    yield from origin_words(evidence, words)
    yield words("seen_fingerprint", id=evidence.platform.id)
