"""Slices: what is fine overall and loses a part, and how often nothing is claimed where there is nothing."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from roundoff.measurement.accuracy import NOT_RUN
from roundoff.measurement.statistics import mcnemar_exact
from roundoff.results.slices import COLUMNS, csv_from_slices
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from roundoff.verdict.slices import Slices, holm, slice_losses, slice_warnings
from tests.support.measured import cell, metrics

COUNT, CLASSES = 4000, 10
LABELS = np.arange(COUNT) % CLASSES
NAMES = [f"c{index}" for index in range(CLASSES)]
NIGHT = ["night" if index % 8 == 0 else "day" if index % 3 else "" for index in range(COUNT)]
SLICES = Slices(LABELS, NAMES, {"light": NIGHT})


def answers(random, flips=0.0, wrong=0.1):
    """Guesses of which `wrong` are wrong; and the same with the share `flips` of all turned, as many either way."""
    reference = np.where(random.random(COUNT) < wrong, (LABELS + 1) % CLASSES, LABELS)
    right = reference == LABELS
    turned = random.random(COUNT) < np.where(right, flips / 2 / (1 - wrong), flips / 2 / wrong)
    return reference, np.where(turned, np.where(right, (LABELS + 2) % CLASSES, LABELS), reference)


def test_a_planted_loss_is_found_and_named_first():
    reference, guesses = answers(np.random.default_rng(0), flips=0.01)
    lost = np.flatnonzero((LABELS == 3) & (reference == LABELS))[:25]
    guesses[lost] = 4
    losses = slice_losses(SLICES, reference, {"int8/x": guesses, "fp16/x": reference})
    assert [loss.loses for loss in losses[:2]] == [True, False]
    first = losses[0]
    assert (first.cell, first.column, first.slice, first.images) == ("int8/x", "class", "c3", 400)
    own = LABELS == 3
    assert first.drop == pytest.approx((reference == LABELS)[own].mean() - (guesses == LABELS)[own].mean())
    assert 0 < first.drop_low < first.drop < first.drop_high
    assert first.p_value == pytest.approx(mcnemar_exact(first.regressed, first.corrected) / 2, rel=1e-6)
    assert len(losses) == 2 * (CLASSES + 2)
    said = slice_warnings([loss for loss in losses if loss.cell == "int8/x"])
    assert [str(one) for one in said] == [
        f"loses {100 * first.drop:g} points of accuracy on class c3 (p = {first.p_holm:.2g}, adjusted for all slices)"
    ]


def test_a_users_column_slices_too_and_images_without_a_value_are_in_no_slice():
    reference, guesses = answers(np.random.default_rng(1))
    night = np.flatnonzero((np.array(NIGHT) == "night") & (reference == LABELS))[:30]
    guesses[night] = (LABELS[night] + 5) % CLASSES
    losses = slice_losses(SLICES, reference, {"int8/x": guesses})
    assert (losses[0].column, losses[0].slice, losses[0].loses) == ("light", "night", True)
    assert losses[0].images == 500
    day = next(loss for loss in losses if loss.slice == "day")
    assert day.images == NIGHT.count("day")


@pytest.mark.slow  # simulates
def test_claims_where_nothing_is_lost_are_made_in_at_most_5_percent():
    """Test sets of six cells and twelve slices each, 2 % of the answers flipped."""
    random, claimed = np.random.default_rng(2), 0
    for _ in range(150):
        reference, _ = answers(random)
        cells = {}
        for name in range(6):
            right = reference == LABELS
            turned = random.random(COUNT) < np.where(right, 0.02 / 2 / 0.9, 0.02 / 2 / 0.1)
            cells[str(name)] = np.where(turned, np.where(right, (LABELS + 2) % CLASSES, LABELS), reference)
        claimed += slice_losses(SLICES, reference, cells)[0].loses
    assert claimed / 150 <= 0.05


def test_adjusted_p_values_are_holms():
    random = np.random.default_rng(3)
    p_values = list(random.random(30) ** 3)
    expected = multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(holm(p_values, [50] * 30), expected)
    assert holm([], []) == []


def test_tests_that_could_never_be_significant_cost_nothing():
    """One slice lost 12 of 12 flips; 200 others hardly flip at all."""
    p_values, flips = [0.5**12, *[0.5] * 200], [12, *[1] * 200]
    assert holm(p_values, flips)[0] == pytest.approx(0.5**12)
    assert holm(p_values, flips)[1:] == [1.0] * 200
    assert multipletests(p_values, method="holm")[1][0] > 0.04


def test_a_cell_that_stopped_early_makes_no_claim():
    reference, _ = answers(np.random.default_rng(4))
    assert slice_losses(SLICES, reference, {"int8/x": np.where(np.arange(COUNT) < 3000, reference, NOT_RUN)}) == []


class TestVerdict:
    def losses(self, lost=30):
        reference, guesses = answers(np.random.default_rng(0))
        guesses[np.flatnonzero((LABELS == 3) & (reference == LABELS))[:lost]] = 4
        return slice_losses(Slices(LABELS, NAMES, {}), reference, {"int8/ort": guesses})

    def decided(self, **target):
        run = metrics(fp32__ort=cell(), int8__ort=cell(10, 8))
        return decide(run, Target(**target), self.losses()).cells["int8/ort"]

    def test_a_lost_class_is_a_warning_that_decides_nothing(self):
        found = self.decided()
        assert found.verdict == "pass"
        assert [one.values["slice"] for one in found.warnings] == ["c3"]
        assert [one.name for one in found.criteria] == ["min_relative_accuracy"]

    def test_where_it_is_asked_for_a_lost_class_fails(self):
        """7.5 points lost, at least 3.6 proven among all slices."""
        found = self.decided(max_slice_drop_points=2)
        assert (found.verdict, found.warnings) == ("fail", [])
        criterion = found.criteria[1]
        assert (criterion.name, criterion.verdict, criterion.limit) == ("max_slice_drop_points", "fail", 2)
        assert criterion.value == pytest.approx(7.5)
        assert 2 < criterion.low < 7.5 < criterion.high
        assert self.decided(max_slice_drop_points=7).verdict == "pass"

    def test_many_lost_slices_are_counted(self):
        reference, guesses = answers(np.random.default_rng(0))
        guesses[(LABELS < 6) & (np.arange(COUNT) < 1000)] = 9
        said = slice_warnings(slice_losses(SLICES, reference, {"int8/x": guesses}))
        assert [one.code for one in said] == ["slice_loses"] * 3 + ["slices_more"]
        assert said[-1].values["count"] in range(3, 9)


def test_the_table_has_a_row_for_each_slice():
    reference, guesses = answers(np.random.default_rng(0))
    lines = csv_from_slices(slice_losses(SLICES, reference, {"int8/x": guesses})).splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert len(lines) == 1 + CLASSES + 2
