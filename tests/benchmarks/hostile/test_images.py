"""Hostile folders and zips of images: every 20th is tried here, all of them by the campaign."""

import numpy as np
import pytest

from benchmarks.hostile import images
from benchmarks.hostile.case import tried
from tests.support.places import ROOT


@pytest.mark.slow  # makes hundreds of images
@pytest.mark.filterwarnings("ignore")
def test_every_20th_is_refused_in_words_or_read_rightly(tmp_path):
    cases = list(images.cases(ROOT, np.random.default_rng(20)))
    assert len(cases) >= 250
    became = {}
    for number, case in enumerate(cases[::20]):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        became[f"{case.file}, {case.how}"] = tried(case, folder).outcome
    assert set(became.values()) == {"refused", "accepted"}, became
