"""Failed cells and batch sizes in the report: named first, with their reason, in both languages."""

import pytest

from roundoff.report.report import Report
from roundoff.results.cell import Batch, CellMetrics
from roundoff.results.checked import as_json
from roundoff.results.message import LANGUAGES, Words, verbatim

pytestmark = pytest.mark.slow  # draws a whole report for each

UNSTEADY = Batch(
    status="failed",
    reason=verbatim("10 runs of one input differ"),
    detail="relative difference up to 0.05; looked",
    rerun="dvc repro -f evaluate",
    repeat_spread=0.05,
)
BUILD = CellMetrics(
    status="failed",
    reason=verbatim("the build failed"),
    detail="RuntimeError: no kernel\nfor node 7 " + "x" * 1000,
    rerun="dvc repro -f build-int8",
)


@pytest.fixture
def broken(run):
    """INT8 on LiteRT never built, FP32 on LiteRT failed at batch 1."""
    run.rewrite("int8", lambda content: content.update(litert=as_json(BUILD)))
    run.rewrite("fp32", lambda content: content["litert"].update(batch_1=as_json(UNSTEADY)))
    return run


def sections(run, language, tmp_path):
    Report(language=language).run(run.sources, run.verdict(), tmp_path, tmp_path / "plots")
    return (tmp_path / "report.md").read_text().split("\n## ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_failed_is_named_first_then_why_and_last_the_runtimes_own_words(broken, tmp_path, language):
    parts, words = sections(broken, language, tmp_path), Words(language)
    assert "int8/litert" in parts[1]
    assert "fp32/litert" in parts[1]
    notes = next(part for part in parts if part.startswith(words("notes_heading")))
    for said in ("the build failed", "10 runs of one input differ", "dvc repro -f build-int8", "dvc repro -f evaluate"):
        assert said in notes
    own = next(part for part in parts if part.startswith(words("precision_heading"))).split("<details>")[1]
    for said in ("no kernel for node 7", "relative difference"):
        assert said in own
        assert said not in notes


def test_tables_say_failed_and_not_that_it_was_not_run(broken, tmp_path):
    parts = sections(broken, "en", tmp_path)
    tables = next(part for part in parts if part.startswith("Precision comparison"))
    rows = [line for line in tables.splitlines() if line.startswith("| int8 / litert")]
    assert rows
    assert all("fail" in line and "failed: the build failed" in line for line in rows)
    assert "failed: 10 runs of one input differ" in tables
    absent = next(line for part in parts for line in part.splitlines() if "Not run here" in line)
    assert "int8 on litert" not in absent
    method = next(part for part in parts if part.startswith("Method"))
    assert "batches that agree: none of 1" in method


def test_a_failed_cell_has_the_verdict_fail_and_a_failed_batch_is_not_recommended_there(broken):
    verdict = broken.verdict(min_relative_accuracy=0.9)
    assert verdict.cells["int8/litert"].verdict == "fail"
    assert verdict.cells["fp32/litert"].verdict == "pass"
    assert "fp32/litert" in verdict.recommendations["fastest"].failed
    assert "fp32/litert" not in verdict.front
