"""Energy and memory: shown, or their reason."""

import pytest

from roundoff.report.render.document import Page, Table
from roundoff.report.sections.energy import energy_section
from roundoff.results.message import Words

METERED = {"mj_per_image": 0.4321, "batch_size": 32, "watts": 512.3, "source": "nvml: the whole GPU", "reason": None}


def rows(run, words):
    page = Page()
    energy_section(page, run.evidence(), words)
    table = next(block for block in page.blocks if isinstance(block, Table))
    return {f"{line[1].text}/{line[0].text}": [field.text for field in line[2:]] for line in table.rows}


@pytest.mark.parametrize(("language", "source"), [("en", "nvml: the whole GPU"), ("ja", "NVML（GPU 全体）")])
def test_energy_is_shown_with_batch_and_counter(run, language, source):
    run.rewrite("int8", lambda content: content["litert"].update(energy=METERED, memory_mb=65.5))
    assert rows(run, Words(language))["int8/litert"] == ["65.5", "0.432", "32", "512", source]


def test_missing_energy_has_its_reason(run):
    assert rows(run, Words("en"))["int8/litert"] == ["–", "not measured: the counter is not readable"]


def test_unrecorded_energy_is_said(run):
    run.rewrite("int8", lambda content: content["litert"].pop("energy"))
    assert rows(run, Words("en"))["int8/litert"] == ["–", "not recorded"]
