"""What ends the worker is a row, and the next network has another worker."""

import os

from benchmarks.fuzz import worker


def ends_at_one(seed):
    if seed == 1:
        os.abort()
    return {"seed": seed, "outcomes": {}, "errors": {}}


def test_a_network_that_ends_the_process_has_crashed_and_the_next_is_tried(monkeypatch):
    monkeypatch.setattr(worker, "tried", ends_at_one)
    rows = list(worker.rows(range(3)))
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert [bool(row["outcomes"]) for row in rows] == [False, True, False]
    assert rows[1]["outcomes"]["process"].startswith("crash")
