"""The report's slices: what is proven first, in both languages, and a sentence for a cell that passes all the same."""

from dataclasses import replace

import numpy as np
import pytest

from roundoff.report.render.document import Heading, Page, Table
from roundoff.report.sections.notes import notes
from roundoff.report.sections.slices import slices_section
from roundoff.results.message import Words
from roundoff.results.metrics import read_metrics
from roundoff.revisions.read import read_evidence
from roundoff.revisions.sliced import read_slice_losses
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.present import texts_in


def lose(run, count=14, backend="litert"):
    """Have INT8 answer wrong on so many images of class 7 that FP32 has right."""
    path = run.sources.predictions / f"int8/{backend}.npy"
    logits, labels = np.load(path), np.load(run.sources.predictions / "labels.npy")
    wide = np.load(run.sources.predictions / "fp32/onnxruntime.npy").argmax(1)
    logits[np.flatnonzero((labels == 7) & (wide == labels))[:count]] = np.eye(10, dtype=np.float32)[1]
    run.answer(f"int8/{backend}", logits)


def evidence_of(run, sources=None, **target):
    sources = sources or run.sources
    measured = read_metrics(sources.metrics)
    losses = read_slice_losses(sources, measured)
    return read_evidence(sources, decide(measured, Target(**target), losses), losses)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_is_proven_comes_first_in_the_table(run, language):
    lose(run)
    page, words = Page(), Words(language)
    slices_section(page, evidence_of(run), words)
    assert [block.anchor for block in page.blocks if isinstance(block, Heading)] == ["slices"]
    table = next(block for block in page.blocks if isinstance(block, Table))
    first = [getattr(field, "text", field) for field in table.rows[0]]
    assert first[1] == "class 7"
    assert len(table.rows) == 12
    assert len(table.columns) == len(first) == 8


def test_nothing_proven_is_said(run):
    page = Page()
    slices_section(page, evidence_of(run), Words("en"))
    assert any("No slice is proven" in text for text in texts_in(page.blocks))


def test_a_cell_that_passes_and_loses_a_class_is_a_note(run):
    lose(run)
    found = evidence_of(run, min_relative_accuracy=0.5)
    said = [text for text in notes(found, Words("en")) if "passes as a whole" in text]
    assert len(said) == 1
    assert said[0].startswith("int8/litert passes as a whole, but loses")
    assert "on class 7 (p = " in said[0]


def test_the_columns_of_a_table_are_slices_and_named(run, tmp_path):
    labels = np.load(run.sources.predictions / "labels.npy")
    lose(run)
    path = tmp_path / "slices.csv"
    rows = "".join(f"{index},{'night' if label == 7 else ''}\n" for index, label in enumerate(labels))
    path.write_text(f"test_image,light\n{rows}")
    found = evidence_of(run, replace(run.sources, slices=path))
    assert {(loss.column, loss.slice) for loss in found.slices if loss.loses} == {("class", "7"), ("light", "night")}
    page = Page()
    slices_section(page, found, Words("en"))
    assert any("the columns light of prepare.slices" in text for text in texts_in(page.blocks))


def test_a_table_of_another_test_set_is_refused(run, tmp_path):
    path = tmp_path / "slices.csv"
    path.write_text("test_image,light\n0,day\n")
    with pytest.raises(Exception, match=r"1 rows(.|\n)*360"):
        evidence_of(run, replace(run.sources, slices=path))


def test_without_answers_there_are_no_slices(run):
    (run.sources.predictions / "fp32/onnxruntime.npy").unlink()
    assert evidence_of(run).slices == ()
