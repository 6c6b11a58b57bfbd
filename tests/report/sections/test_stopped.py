"""What stopped early is said, with what that saved; and only the images that were run are counted."""

import numpy as np
import pytest

from roundoff.measurement.accuracy import NOT_RUN, accuracy_when_stopped
from roundoff.report.plots.dvc_csv import confusion_rows
from roundoff.report.render.document import Page
from roundoff.report.sections.changes import changes_section, quantized_cells
from roundoff.report.sections.notes import notes
from roundoff.results.checked import as_json
from roundoff.results.message import Words
from tests.support.present import texts_in

WORDS = Words("en")
RUN = 256


@pytest.fixture
def stopped(run):
    """The int8 cell of ONNX Runtime answered 256 of 360 images; its timing at batch 1 ended early after 1.25 s."""
    folder = run.sources.predictions
    logits, labels = np.load(folder / "int8/onnxruntime.npy"), np.load(folder / "labels.npy")
    wide = np.load(folder / "fp32/onnxruntime.npy")
    logits[RUN:] = np.nan
    np.save(folder / "int8/onnxruntime.npy", logits)
    found = accuracy_when_stopped(logits[:RUN], labels[:RUN], wide[:RUN], len(labels), 0.01)

    def change(content):
        content["onnxruntime"]["accuracy"] = as_json(found)
        content["onnxruntime"]["batch_1"].update(stop_reason="early", measured_s=1.25)

    run.rewrite("int8", change)
    run.rewrite_all(lambda content: content["method"]["evaluate"].update(min_seconds=3.0, interval_target=0.01))
    return run


def test_the_savings_are_notes(stopped, run):
    said = list(notes(stopped.evidence(), WORDS))
    images = next(text for text in said if "The test set ended early" in text)
    assert "int8/onnxruntime, as soon as it decided: 104 answers of" in images
    timing = next(text for text in said if "ended before the schedule's minimum" in text)
    assert timing.startswith("1 of ")
    assert "±1\u00a0%, or three" in timing
    assert "or they had won or lost" in timing
    assert "1.8 s of" in timing


def test_a_whole_run_says_nothing_of_it(run):
    assert not [text for text in notes(run.evidence(), WORDS) if "early" in text]


def test_images_that_were_not_run_are_no_flips(stopped):
    evidence = stopped.evidence()
    cell = next(each for each in quantized_cells(evidence) if each.key == "int8/onnxruntime")
    guesses = evidence.guesses(cell)
    assert (guesses[RUN:] == NOT_RUN).all()
    page = Page()
    changes_section(page, evidence, WORDS, 0)
    said = next(text for text in texts_in(page.blocks) if text.startswith("int8/onnxruntime and the reference"))
    assert f"of {RUN} test images" in said or f"all {RUN} test images" in said
    worst = quantized_cells(evidence)[0]
    counted = sum(count for *_, count in confusion_rows(evidence))
    assert counted == np.count_nonzero(evidence.guesses(worst) != NOT_RUN)
