import os

import pytest

from benchmarks.jobs import processors, shared_out


def squared(number):
    return number * number, tuple(sorted(os.sched_getaffinity(0)))


def test_one_job_works_here_and_in_order():
    assert [square for square, _ in shared_out(squared, [3, 1, 2], 1, "squares")] == [9, 1, 4]


def test_jobs_have_processors_of_their_own():
    done = list(shared_out(squared, range(6), 2, "squares"))
    assert sorted(square for square, _ in done) == [0, 1, 4, 9, 16, 25]
    assert {own for _, own in done} <= {tuple(share) for share in processors(2)}


@pytest.mark.parametrize(
    ("own", "jobs", "shares"),
    [
        ({0, 1, 2, 3}, 2, [[0, 2], [1, 3]]),
        ({4, 5, 6}, 2, [[4, 6], [5]]),
        ({0, 1}, 3, [[0], [1], [0]]),
    ],
)
def test_processors_are_shared_out_evenly(monkeypatch, own, jobs, shares):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: own)
    assert processors(jobs) == shares


def fail(number):
    raise ValueError(f"no {number}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_job_that_fails_is_heard(jobs):
    with pytest.raises(ValueError, match="no 5"):
        list(shared_out(fail, [5], jobs, "failures"))
