"""A test set that ends as soon as it decides, on networks that are tables of answers."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roundoff.measurement.accuracy import NOT_RUN, accuracy, predictions
from roundoff.measurement.answered import CHUNK, Part, run_images
from roundoff.measurement.logits_file import LogitsFile
from roundoff.measurement.stopping import Z_WHOLE, EarlyStop
from roundoff.system.progress import Silent

COUNT, CLASSES = 4000, 4
LABELS = np.sort(np.random.default_rng(0).integers(0, CLASSES, COUNT))  # sorted by class, as image folders are
IMAGES = np.stack([np.arange(COUNT) % 256, np.arange(COUNT) // 256], axis=1).astype(np.uint8).reshape(COUNT, 1, 1, 2)


def answers(wrong, seed=1):
    """Logits that are right but on `wrong` images, float32 [N, classes]."""
    flipped = np.random.default_rng(seed).choice(COUNT, wrong, replace=False)
    guesses = LABELS.copy()
    guesses[flipped] = (guesses[flipped] + 1) % CLASSES
    return np.eye(CLASSES, dtype=np.float32)[guesses]


@dataclass
class Table:
    """A runner that looks its answers up; the pixels are the image's index."""

    logits: np.ndarray
    ran: int = 0

    def infer(self, images):
        self.ran += len(images)
        return self.logits[images[:, 0, 0, 0].astype(int) + 256 * images[:, 0, 0, 1].astype(int)]


REFERENCE = answers(200)


def stop(share=0.99):
    return EarlyStop.of(share, 0, LABELS, REFERENCE, 0.25, 0.05)


def ran(logits, early=None):
    table: Any = Table(logits)
    order = np.arange(COUNT) if early is None else early.order
    with tempfile.TemporaryDirectory() as folder:
        written = LogitsFile(Path(folder) / "x.npy", COUNT)
        rows = run_images(table, Part(IMAGES, order, early), written, Silent(), "int8/x")
        return np.array(written.read()), rows, table.ran


def test_equal_answers_pass_early_on_a_random_part_of_all_classes():
    logits, rows, count = ran(REFERENCE, stop())
    assert count == len(rows) == 3 * CHUNK
    assert np.bincount(LABELS[rows]).min() > 150
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(logits[rows], REFERENCE[rows])
    assert set(predictions(logits)[np.setdiff1d(np.arange(COUNT), rows)]) == {NOT_RUN}
    found = stop().accuracy(logits, rows)
    assert (found.samples, found.available, found.all_images, found.stopped_early) == (768, COUNT, COUNT, True)
    assert (found.regressed, found.corrected, found.mcnemar_p) == (0, 0, None)
    assert found.relative_accuracy_low >= 0.99
    assert found.drop_low < 0 == found.drop < found.drop_high
    assert found.top1_low < found.top1 == 1 - (REFERENCE[rows].argmax(1) != LABELS[rows]).mean() < found.top1_high


def test_a_ruined_cell_fails_early():
    logits, rows, _ = ran(answers(1200, seed=3), stop())
    found = stop().accuracy(logits, rows)
    assert len(rows) == CHUNK
    assert found.relative_accuracy_high < 0.99


def test_what_is_not_decided_runs_the_whole_set_with_wider_intervals():
    close = REFERENCE.copy()
    close[np.flatnonzero(REFERENCE.argmax(1) == LABELS)[:38]] = np.roll(np.eye(CLASSES), 1, axis=1)[0]
    logits, rows, count = ran(close, stop())
    assert (rows, count) == (None, COUNT)
    np.testing.assert_array_equal(logits, close)
    found, usual = stop().accuracy(logits, rows), accuracy(close, LABELS, REFERENCE)
    assert found == accuracy(close, LABELS, REFERENCE, Z_WHOLE)
    assert pytest.approx(2.17, abs=0.005) == Z_WHOLE
    assert found.drop_low < usual.drop_low
    assert (found.available, found.stopped_early) == (None, False)


def test_without_a_rule_all_images_run_in_order():
    logits, rows, count = ran(REFERENCE)
    assert (rows, count) == (None, COUNT)
    np.testing.assert_array_equal(logits, REFERENCE)


def test_a_pass_must_be_above_chance():
    """At chance a cell that keeps all of the reference's accuracy proves nothing."""
    guess = np.eye(CLASSES, dtype=np.float32)[np.random.default_rng(2).integers(0, CLASSES, COUNT)]
    early = EarlyStop.of(0.5, 0, LABELS, guess, 0.25, 0.05)
    assert ran(guess, early)[1] is None


def test_a_runner_of_the_wrong_shape_is_refused_in_the_first_chunk():
    with pytest.raises(Exception, match="one row of logits for every image"):
        ran(np.ones((COUNT, 2, 2), np.float32), stop())


@pytest.mark.parametrize(("wrong", "kept"), [(200, True), (260, False)])
def test_what_passes_for_certain_keeps_the_share_and_is_above_chance(wrong, kept):
    early = stop()
    found = early.accuracy(REFERENCE if wrong == 200 else answers(wrong, 2), None)
    assert early.kept(found) is kept
    guess = np.roll(np.eye(CLASSES, dtype=np.float32)[LABELS], 1, axis=1)
    assert not replace(early, share=0.0).kept(early.accuracy(guess, None))


def test_what_has_no_reference_passes_for_nothing():
    assert not stop().kept(accuracy(REFERENCE, LABELS, None))
