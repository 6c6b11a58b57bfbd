"""A worker that dies or hangs costs a case, not the campaign."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hostile import campaign
from benchmarks.hostile.tampering import broken_bytes, broken_json, changed, mirrored, replaced, wrong_values
from benchmarks.hostile.targets import result_of, table, targets

FAMILY = """
import os, subprocess, time
from pathlib import Path
from benchmarks.hostile.case import Case, same

def die(_):
    os.kill(os.getpid(), 9)

def hang(_):
    stage = subprocess.Popen(["sleep", "60"])
    Path("stage").write_text(str(stage.pid))
    stage.wait()

def cases(project, random):
    yield Case("a", "good", lambda _: 1, same(1))
    yield Case("b", "kills", die)
    yield Case("c", "hangs", hang)
    yield Case("d", "wrong", lambda _: 2, same(1))
"""


@pytest.fixture
def family(tmp_path, monkeypatch):
    """A family whose second case kills its worker, and whose third hangs."""
    package = tmp_path / "benchmarks" / "hostile"
    package.mkdir(parents=True)
    (package / "made_up.py").write_text(FAMILY)
    start = "import benchmarks.hostile as h; h.__path__.append(__import__('os').environ['MADE_UP'])"
    (tmp_path / "sitecustomize.py").write_text(start)
    monkeypatch.setenv("MADE_UP", str(package))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return "made_up"


def test_a_case_that_kills_or_holds_up_its_worker_is_a_traceback(family, tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "HANGS_S", 6.0)
    rows = list(campaign.rows_of(family, tmp_path, 1.0))
    assert [row["outcome"] for row in rows] == ["accepted", "traceback", "traceback", "wrong"]
    assert rows[1]["words"].startswith("killed by signal 9")
    stage = Path(f"/proc/{(tmp_path / 'stage').read_text()}/stat")
    assert not stage.exists() or stage.read_text().split()[2] == "Z"  # what a hung case had started is ended, too


def rows_of(**outcomes):
    return [
        {"family": "calibration", "file": "f", "how": "h", "outcome": outcome, "words": ""}
        for outcome, count in outcomes.items()
        for _ in range(count)
    ]


def test_a_campaign_goes_on_behind_the_cases_that_are_known(family, tmp_path):
    assert [row["how"] for row in campaign.rows_of(family, tmp_path, 1.0, first=3)] == ["wrong"]
    assert list(campaign.rows_of(family, tmp_path, 1.0, first=4)) == []


def test_a_family_that_was_cut_short_is_named():
    rows = rows_of(refused=900, accepted=98)
    assert result_of(rows)["unfinished"] == ["calibration"]
    done = result_of([*rows, {"family": "calibration", "outcome": "done"}])
    assert (done["unfinished"], done["counts"]) == ([], result_of(rows)["counts"])
    assert "calibration" not in table(done).splitlines()[-1]
    assert "calibration" in table(result_of(rows)).splitlines()[-1]


def test_targets_count_every_outcome():
    result = result_of(rows_of(refused=900, accepted=98, traceback=1, wrong=1))
    assert result["counts"]["calibration"] == {"refused": 900, "accepted": 98, "traceback": 1, "wrong": 1}
    assert len(result["faults"]) == 2
    met = targets(result)
    assert met["at least 1000 cases (1000)"]
    assert not met["no traceback (1)"]
    assert not met["nothing wrong (1)"]
    assert "| **together** | 1,000 | 900 | 98 | 1 | 1 |" in table(result)


def test_tampering_is_the_same_each_time_and_leaves_the_run_alone(tmp_path):
    good = {"a": [1, 2.5, "x"], "b": {"c": True}}
    text = b'{\n  "a": "x"\n}'
    for make in (
        lambda random: broken_json(text, random),
        lambda random: broken_bytes(text, random),
        lambda random: wrong_values(good, random, 5),
    ):
        once, again = (list(make(np.random.default_rng(0))) for _ in range(2))
        assert once == again
        assert all(content not in (text,) for _, content in once)
    assert good == {"a": [1, 2.5, "x"], "b": {"c": True}}
    run = tmp_path / "run"
    (run / "inside").mkdir(parents=True)
    (run / "inside/file").write_bytes(b"good")
    (tmp_path / "other").mkdir()
    replaced(mirrored(run, tmp_path / "other"), "inside/file", b"bad")
    assert (run / "inside/file").read_bytes() == b"good"
    assert (tmp_path / "other/inside/file").read_bytes() == b"bad"


def test_a_number_that_no_float_holds_is_written_as_one():
    assert changed({"a": 1}, ["a"], "@1e400@") == ("a: 1e400", b'{\n  "a": 1e400\n}')
