"""dvc.lock is read as what DVC writes, or refused."""

import pytest

from roundoff.errors import DataError
from roundoff.revisions.lock import Lock, json_in, read_lock

GOOD = """stages:
  report:
    outs:
    - {path: metrics/summary.json, hash: md5, md5: 0123456789abcdef0123456789abcdef}
    - {path: metrics/plots, md5: 0123456789abcdef0123456789abcdef.dir}
    - {path: elsewhere}
  empty:
"""


def test_what_dvc_recorded_is_read(tmp_path):
    (tmp_path / "dvc.lock").write_text(GOOD)
    lock = read_lock(tmp_path, None)
    assert list(lock.outputs) == ["metrics/summary.json", "metrics/plots"]
    assert json_in("metrics", lock) == {"metrics/summary.json": "0123456789abcdef0123456789abcdef"}
    assert lock.stage("empty").deps == lock.stage("nothing").outs == []


@pytest.mark.parametrize("text", ["", None, "stages:", "{}"])
def test_nothing_recorded_is_nothing(tmp_path, text):
    if text is not None:
        (tmp_path / "dvc.lock").write_text(text)
    assert read_lock(tmp_path, None) == Lock()


@pytest.mark.parametrize(
    "text",
    [
        "- 1",
        "a: [",
        "stages: 5",
        "stages: {x: 5}",
        "stages: {x: {outs: [5]}}",
        "stages: {x: {outs: [{md5: ab}]}}",
        "stages: {x: {outs: [{path: a, md5: ../../b}]}}",
        "a: &a [1]\nb: *a",
        "!!python/object/apply:os.system ['true']",
        "\x00",
        "<<<<<<< HEAD\n",
    ],
)
def test_what_dvc_does_not_write_is_refused(tmp_path, text):
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(DataError, match=r"dvc\.lock") as refused:
        read_lock(tmp_path, None)
    assert "git checkout" in refused.value.fix
