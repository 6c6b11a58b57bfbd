"""The plan of the kills, what counts as survived, and how a trial's processes are told from others."""

import os
import subprocess
import sys
from collections import Counter

from benchmarks.kill import __main__ as command
from benchmarks.kill.targets import table, targets
from benchmarks.kill.trial import KINDS, STAGES, cases, marked
from benchmarks.kill.workspace import MARK


def row(case, **more):
    told = {"number": case.number, "stage": case.stage, "kind": case.kind, "anywhere": case.anywhere}
    return told | {"outlived_s": None, "mended": [], "wrong": [], "commit": "c0ffee"} | more


def test_each_stage_is_killed_fifteen_times_and_more_by_both_kinds():
    planned = cases(200)
    within = Counter((case.stage, case.kind) for case in planned if not case.anywhere)
    assert set(within) == {(stage, kind) for stage in STAGES for kind in KINDS}
    assert min(within.values()) >= 7
    assert sum(case.anywhere for case in planned) == 20
    assert all(targets({"planned": 200, "rows": [row(case) for case in planned]}).values())


def test_one_that_was_not_survived_is_named_and_misses_the_target():
    rows = [row(case, wrong=["exit code 255"] if case.number == 7 else []) for case in cases(200)]
    met = targets({"planned": 200, "rows": rows})
    assert [name for name, good in met.items() if not good] == ["all are survived (not: 7)"]
    shown = table({"planned": 200, "rows": rows})
    assert "| build-fp16 | 8 | 7 | 14 of 15 | 0 | 0.0 |" in shown
    assert "| **all** | 104 | 96 | 199 of 200 | 0 | 0.0 |" in shown
    assert "- 7 (build-fp16, tree): exit code 255" in shown


def test_too_few_kills_miss_the_target():
    met = targets({"planned": 200, "rows": [row(case) for case in cases(100)]})
    assert list(met.values()) == [False, False, True]
    assert "100 of 200 kills so far." in table({"planned": 200, "rows": [row(case) for case in cases(100)]})


def test_kills_of_before_count_whatever_their_numbers_and_commits(monkeypatch):
    monkeypatch.setattr(command, "_prepared", lambda folder: ())
    monkeypatch.setattr(command, "tried", row)
    before = [row(case, number=200 - case.number, commit="before") for case in cases(200) if case.number % 3]
    rows = list(command._rows(200, before))
    assert all(targets({"planned": 200, "rows": rows}).values())
    assert sum(found in before for found in rows) == len(before)
    assert f"Tried on these commits: {len(rows) - len(before)} on" in table({"planned": 200, "rows": rows})


def test_a_trials_processes_are_known_by_their_mark():
    environment = os.environ | {MARK: "one"}
    process = subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE)
    try:
        assert marked("one") == [process.pid]
        assert marked("another") == []
    finally:
        process.kill()
        process.communicate()
    assert marked("one") == []
