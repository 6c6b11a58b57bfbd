"""What the answer says of its subject."""

from __future__ import annotations

import json

import pytest

from roundoff.report.render.document import Bullets, Heading, Page
from roundoff.report.sections.answer import answer_section, next_section
from roundoff.report.sections.verdicts import verdict_section
from roundoff.report.words.next_steps import next_steps
from roundoff.report.words.subject import SOURCES
from roundoff.results.message import Words
from roundoff.system.files import write_json
from tests.support.present import texts_in


def answer(run, words: Words) -> str:
    page = Page()
    answer_section(page, run.evidence(), words)
    return " ".join(texts_in(page.blocks))


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("dataset", "key"), [*SOURCES.items(), ("faces of cats", None)])
def test_the_answer_names_its_model_and_data(run, language, dataset, key):
    words = Words(language)
    write_json(run.sources.metrics / "export.json", {"onnx_sha256": "0123456789abcdef"})
    path = run.sources.prepared / "manifest.json"
    write_json(path, json.loads(path.read_text()) | {"source": {"dataset": dataset}})
    text = answer(run, words)
    assert words("answer_model", hash="0123456789ab") in text
    assert words("answer_data", classes=10, train="1,437", test=360) in text
    assert (words(key) if key else dataset) in text


def test_what_is_not_known_of_the_model_and_data_is_not_said(run):
    (run.sources.metrics / "export.json").unlink(missing_ok=True)
    text = answer(run, Words("en"))
    assert "ONNX graph" not in text
    assert "training images." not in text


def test_the_page_says_what_to_do_next_as_the_terminal_does(run):
    evidence, words, page = run.evidence(), Words("en"), Page()
    next_section(page, evidence, words)
    heading, bullets = page.blocks
    assert isinstance(heading, Heading)
    assert heading.anchor == "next"
    assert isinstance(bullets, Bullets)
    assert list(bullets.items) == list(next_steps(evidence, words))
    assert any(step.startswith("`roundoff check") for step in bullets.items)


@pytest.mark.parametrize(("target", "said"), [({}, False), ({"latency_ms": 5.0}, True)])
def test_budgets_are_spoken_of_where_there_are_any(run, target, said):
    page = Page()
    verdict_section(page, run.evidence(**target), Words("en"))
    assert ("Budgets count as well" in " ".join(texts_in(page.blocks))) == said
