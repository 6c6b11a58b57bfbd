"""The first screen's facts and plot, the files that the page hands out, and its citation."""

import csv
import io
import json

import pytest

from roundoff.report.plots.drop import allowed_points, drop_marks
from roundoff.report.plots.dvc_csv import SPEED_COLUMNS
from roundoff.report.render.document import Downloads, Facts, Figure, Page
from roundoff.report.sections.answer import answer_section
from roundoff.report.sections.files import citation, files_section
from roundoff.results.message import Words
from roundoff.system.files import write_json
from tests.support.present import blocks_in, present

EN = Words("en")
ORIGIN = {"date": "2026-11-29", "commit": "0123456789abcdef", "changed": False, "roundoff": "0.1.0"}


@pytest.fixture
def told(run):
    """A run that tells its model, its data, its day and its commit."""
    run.rewrite_all(lambda content: content["method"].update(origin=ORIGIN))
    write_json(run.sources.metrics / "train.json", {"model": "ResNet-8", "val_accuracy": 0.9})
    write_json(run.sources.metrics / "export.json", {"onnx_sha256": "0123456789abcdef"})
    path = run.sources.prepared / "manifest.json"
    write_json(path, json.loads(path.read_text()) | {"source": {"dataset": "scikit-learn load_digits"}})
    return run


def opening(run, price=None):
    page = Page()
    answer_section(page, run.evidence(), EN, price)
    return list(blocks_in(page.blocks))


def facts(run, price=None):
    block = next(block for block in opening(run, price) if isinstance(block, Facts))
    return {fact.label: fact.value for fact in block.items}


def test_the_facts_say_on_what(told):
    found = facts(told)
    assert found["Model"] == "ResNet-8"
    assert found["Data"] == "scikit-learn load_digits"
    assert found["Machine"] == "Example CPU <v2> @ 2.50GHz, 2 cores"
    assert found["Measured"] == "2026-11-29, commit 0123456"
    assert found["Accuracy"] == "96.67\u00a0%"
    assert "Cost per million images" not in found
    assert "Cost per million images" in facts(told, price=3.0)


def test_a_run_that_does_not_tell_when_says_nothing_of_it(run):
    assert "Measured" not in facts(run)


def test_the_plot_has_the_target_and_its_words_have_the_result(run):
    evidence = run.evidence()
    assert allowed_points(evidence) == pytest.approx(0.01 * 96.667, abs=1e-3)
    assert allowed_points(run.evidence(max_drop_points=0.5)) == 0.5
    figure = next(block for block in opening(run) if isinstance(block, Figure))
    assert "What ships: fp32 / onnxruntime" in figure.alt
    for mark in drop_marks(evidence, 1):
        assert f"loses {mark.points:.2f} points" in figure.alt


def test_the_page_hands_out_its_figures(told):
    page = Page()
    files_section(page, told.evidence(), EN)
    block = next(block for block in page.blocks if isinstance(block, Downloads))
    text = {file.name: file.text for file in block.files}
    rows = list(csv.DictReader(io.StringIO(text["figures.csv"])))
    content = json.loads(text["figures.json"])
    assert len(rows) == len(content["figures"]) == 12
    assert tuple(content["figures"][0]) == SPEED_COLUMNS
    assert content["origin"] == ORIGIN
    assert content["verdict"]["recommendations"]["balanced"]["cell"] == present(told.verdict().shipped).cell


def test_the_citation_names_tool_model_data_machine_day_and_commit(told):
    assert citation(told.evidence(), EN) == (
        "roundoff 0.1.0, ResNet-8, scikit-learn load_digits, Example CPU <v2> @ 2.50GHz, 2 cores, 2026-11-29, "
        "commit 0123456, fingerprint 0123456789ab."
    )
