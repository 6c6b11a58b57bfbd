"""Accuracy class by class, the largest loss first."""

import numpy as np

from roundoff.report.render.document import Details, Page, Table
from roundoff.report.sections.classes import class_accuracies, classes_section
from roundoff.results.message import Words
from tests.support.present import present

EN = Words("en")


def spoil(run, backend, true, guessed):
    """Have INT8 answer `guessed` on every image of the class `true`."""
    logits = np.load(run.sources.predictions / f"int8/{backend}.npy")
    labels = np.load(run.sources.predictions / "labels.npy")
    logits[labels == true] = np.eye(10, dtype=np.float32)[guessed]
    run.answer(f"int8/{backend}", logits)


def test_the_class_that_lost_most_comes_first(run):
    spoil(run, "litert", 7, 1)
    evidence = run.evidence()
    cells, found = class_accuracies(evidence)
    assert {cell.key for cell in cells} == {"int8/onnxruntime", "int8/litert"}
    assert (found[0].name, found[0].images) == ("7", int((evidence.labels == 7).sum()))
    assert min(found[0].cells) == 0.0
    assert found[0].largest_loss == found[0].reference > 0.9
    losses = [each.largest_loss for each in found]
    assert losses == sorted(losses, reverse=True)


def test_shares_are_those_of_the_answers(run):
    evidence = run.evidence()
    guesses, labels = present(evidence.guesses(evidence.cell("fp32/onnxruntime"))), evidence.labels
    _, found = class_accuracies(evidence)
    for each in found:
        own = labels == int(each.name)
        assert each.reference == (guesses[own] == labels[own]).mean()


def test_reference_and_8_bit_cells_stand_side_by_side(run):
    page = Page()
    classes_section(page, run.evidence(), EN)
    table = next(block for block in page.blocks if isinstance(block, Table))
    assert table.columns[2] == "FP32 reference"
    assert set(table.columns[3:5]) == {"int8 / onnxruntime", "int8 / litert"}


def test_classes_without_a_change_fold_away(run):
    """Ten cards on a phone, nine of which say nothing, hide the one that does."""
    for backend in ("onnxruntime", "litert"):
        logits = np.load(run.sources.predictions / "fp32/onnxruntime.npy")
        run.answer(f"int8/{backend}", logits)
    spoil(run, "litert", 7, 1)
    page = Page()
    classes_section(page, run.evidence(), EN)
    (table,) = (block for block in page.blocks if isinstance(block, Table))
    assert [line[0].text for line in table.rows] == ["7"]
    (rest,) = (block for block in page.blocks if isinstance(block, Details))
    assert rest.summary == "Classes without a change: 9"
    inner = rest.blocks[0]
    assert isinstance(inner, Table)
    assert len(inner.rows) == 9


def test_without_answers_there_is_no_section(run):
    (run.sources.predictions / "fp32/onnxruntime.npy").unlink()
    page = Page()
    classes_section(page, run.evidence(), EN)
    assert page.blocks == []
