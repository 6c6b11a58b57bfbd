"""Hostile files and settings given to whole stages of a finished pipeline: all refused in words, and nothing lost."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.hostile.case import tried
from benchmarks.hostile.families import cases_of

pytestmark = pytest.mark.slow  # runs 60 stages


def outcome(case):
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = tried(case, Path(folder))
    return found.outcome if found.outcome == "refused" else f"{found.outcome}: {case.how} in {case.file}: {found.words}"


def test_stages_refuse_what_is_hostile(finished):
    cases = cases_of("stages", finished.folder, 1.0)
    assert len(cases) >= 60
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(outcome, cases))
    assert [each for each in found if each != "refused"] == []
