"""The test images that are planned decide the verdict as often as was asked for, by simulated test sets."""

import numpy as np
import pytest

from roundoff.measurement.statistics import paired_drop, paired_kept
from roundoff.planning.images import Flips, images_needed
from roundoff.results.verdict import Requirements
from tests.support.measured import alone, compared
from tests.support.present import present

KEEP = Requirements(min_relative_accuracy=0.99)


def needed(*given, **power):
    return present(images_needed(*given, **power))


def decided(flips, images, target, sets=1500):
    """The share of simulated test sets of so many images on which the verdict's own interval leaves the target out."""
    random = np.random.default_rng(images)
    both = flips.accuracy - flips.regressed
    counts = random.multinomial(
        images, [both, flips.regressed, flips.corrected, 1 - both - flips.regressed - flips.corrected], sets
    )
    found, how_often = np.unique(counts[:, :3], axis=0, return_counts=True)
    return np.average([outside(row, images, target) for row in found.tolist()], weights=how_often)


def outside(counts, images, target):
    both, regressed, corrected = counts
    if target.min_relative_accuracy is not None:
        return present(paired_kept(both, regressed, corrected, images)).excludes(target.min_relative_accuracy)
    return paired_drop(regressed, corrected, images).excludes(target.max_drop_points / 100)


@pytest.mark.parametrize(
    ("flips", "target"),
    [
        (Flips.assumed(0.92, 0.01), KEEP),
        (Flips.assumed(0.75, 0.04), KEEP),
        (Flips(0.9, 0.03, 0.01, 0.96), KEEP),
        (Flips(0.9, 0.02, 0.018, 0.96), Requirements(max_drop_points=0.5)),
    ],
)
def test_planned_images_decide_four_times_in_five(flips, target):
    planned = needed(flips, target)
    assert 0.77 <= decided(flips, planned, target) <= 0.9
    assert decided(flips, planned // 2, target) < 0.7


def test_a_plan_from_a_small_pilot_keeps_its_power():
    """Pilots of 300 images, each planned from anew: the cautious number of flips makes up for what they miss."""
    true, random = Flips.assumed(0.9, 0.02), np.random.default_rng(1)
    shares = []
    for _ in range(40):
        regressed, corrected = random.binomial(300, [true.regressed, true.corrected])
        half = (regressed + corrected) / 600
        pilot = Flips(0.9, half, half, 1 - 2 * half, 300)
        shares.append(decided(true, needed(pilot.cautious, KEEP), KEEP, sets=200))
    assert np.mean(shares) >= 0.8


def test_more_power_more_flips_and_less_room_need_more_images():
    base = needed(Flips.assumed(0.9, 0.01), KEEP)
    assert base == 1467
    assert needed(Flips.assumed(0.9, 0.01), KEEP, power=0.9) > base
    assert needed(Flips.assumed(0.9, 0.02), KEEP) > base
    assert needed(Flips.assumed(0.9, 0.01), Requirements(min_relative_accuracy=0.995)) > base


def test_a_loss_at_the_target_is_never_decided():
    assert images_needed(Flips(0.9, 0.019, 0.01, 0.97), KEEP) is None


def test_every_criterion_that_is_set_has_its_say():
    flips = Flips(0.9, 0.005, 0.005, 0.97)
    agreement = Requirements(min_agreement=0.969)
    both = Requirements(min_relative_accuracy=0.99, min_agreement=0.969)
    assert needed(flips, both) == needed(flips, agreement) > needed(flips, KEEP)


def test_flips_of_a_pilot():
    seen = present(Flips.seen(compared(30, 10, samples=1000)))
    assert seen.accuracy == pytest.approx(0.9)
    assert (seen.regressed, seen.corrected, seen.pilot) == (0.03, 0.01, 1000)
    cautious = seen.cautious
    assert cautious.regressed - cautious.corrected == pytest.approx(0.02)
    assert 0.04 < cautious.regressed + cautious.corrected < 0.05
    assert seen.without_loss.regressed == seen.without_loss.corrected == pytest.approx(0.02)
    assert Flips.seen(alone(compared())) is None
