"""Energy and memory: shown, or their reason."""

import pytest

from roundoff.report.render.document import Page, Table
from roundoff.report.sections.energy import energy_section
from roundoff.results.cell import Energy
from roundoff.results.checked import as_json
from roundoff.results.message import LANGUAGES, Words, message
from tests.support.present import texts_in

COUNTER = message("kind_weight")  # any of the catalogue
METERED = as_json(Energy(mj_per_image=0.4321, batch_size=32, power_w=512.3, source=COUNTER))


def rows(run, words):
    page = Page()
    energy_section(page, run.evidence(), words)
    table = next(block for block in page.blocks if isinstance(block, Table))
    return {line[0].text: [field.text for field in line[1:]] for line in table.rows}


def paragraphs(run, words):
    page = Page()
    energy_section(page, run.evidence(), words)
    return texts_in(page.blocks)


@pytest.mark.parametrize("language", LANGUAGES)
def test_energy_is_shown_with_batch_and_counter(run, language):
    words = Words(language)
    run.rewrite("int8", lambda content: content["litert"].update(energy=METERED, memory_mb=65.5))
    assert rows(run, words)["int8 / litert"] == ["65.5", "0.432", "32", "512", words.sentence(COUNTER)]


def test_missing_energy_has_its_reason(run):
    run.rewrite("int8", lambda content: content["onnxruntime"].update(energy=METERED, memory_mb=65.5))
    assert rows(run, Words("en"))["int8 / litert"] == ["–", "not measured: the counter is not readable"]


def test_unrecorded_energy_is_said(run):
    run.rewrite("int8", lambda content: content["onnxruntime"].update(energy=METERED))
    run.rewrite("int8", lambda content: content["litert"].update(energy=None))
    assert rows(run, Words("en"))["int8 / litert"] == ["not recorded"]


def test_a_table_that_would_hold_nothing_is_two_sentences(run):
    told = paragraphs(run, Words("en"))
    assert told[1] == "The energy per image was not measured: the counter is not readable."
    assert told[2] == "Nothing was recorded here for: Device memory (MB)."
