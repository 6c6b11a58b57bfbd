"""Failed cells and batch sizes in the report: named first, with their reason, in both languages."""

import pytest

from roundoff.measurement.latency import batch_without_figures
from roundoff.report.report import Report
from roundoff.results.message import LANGUAGES
from roundoff.results.shortfall import Shortfall

UNSTEADY = Shortfall("failed", "10 runs of one input differ", "relative difference up to 0.05; looked", 0.05)
BUILD = Shortfall("failed", "the build failed", "RuntimeError: no kernel\nfor node 7 " + "x" * 1000)


@pytest.fixture
def broken(run):
    """INT8 on LiteRT never built, FP32 on LiteRT failed at batch 1."""
    run.rewrite("int8", lambda content: content.update(litert={**BUILD.row("build-int8"), "size_mb": None}))
    run.rewrite("fp32", lambda content: content["litert"].update(batch_1=batch_without_figures(UNSTEADY)))
    return run


def sections(run, language, tmp_path):
    Report(language=language).run(run.sources, run.verdict(), tmp_path, tmp_path / "plots")
    return (tmp_path / "report.md").read_text().split("\n## ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_section_names_what_failed(broken, tmp_path, language):
    first = sections(broken, language, tmp_path)[1]
    for words in (
        "int8/litert",
        "dvc repro -f build-int8",
        "no kernel for node 7",
        "fp32/litert",
        "relative difference",
    ):
        assert words in first
    assert "x" * 500 not in first
    assert ("the build failed" in first) == ("10 runs of one input differ" in first) == (language == "en")


def test_tables_say_failed_and_not_that_it_was_not_run(broken, tmp_path):
    parts = sections(broken, "en", tmp_path)
    tables = next(part for part in parts if part.startswith("Precision comparison"))
    rows = [line for line in tables.splitlines() if line.startswith("| litert | int8")]
    assert rows
    assert all("fail" in line and "failed: the build failed" in line for line in rows)
    assert "failed: 10 runs of one input differ" in tables
    absent = next(line for line in parts[1].splitlines() if "Not run here" in line)
    assert "int8 on litert" not in absent
    method = next(part for part in parts if part.startswith("Method"))
    assert "0 of 1 batches agree" in method


def test_a_failed_cell_has_the_verdict_fail_and_a_failed_batch_is_not_recommended_there(broken):
    verdict = broken.verdict(keep=0.9)
    assert verdict["cells"]["int8/litert"]["verdict"] == "fail"
    assert verdict["cells"]["int8/litert"]["reasons"] == ["the build failed"]
    assert verdict["cells"]["fp32/litert"]["verdict"] == "pass"
    assert "fp32/litert" in verdict["recommendations"]["fastest"]["failed"]
    assert "fp32/litert" not in verdict["front"]
