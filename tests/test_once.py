"""What tests share is made once, however many ask at a time."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.once import once


class Made:
    """Temporary folders in one of the test's own."""

    def __init__(self, base):
        self.base = base
        self.base.mkdir()

    def getbasetemp(self):
        return self.base

    def mktemp(self, name):
        folder = self.base / f"{name}{len(list(self.base.glob(f'{name}*')))}"
        folder.mkdir()
        return folder


def test_the_processes_of_a_run_read_what_the_first_has_made(tmp_path, monkeypatch):
    made = []

    def make(folder):
        made.append(folder)
        time.sleep(0.05)
        (folder / "file").write_text("whole")

    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    workers = [Made(tmp_path / f"gw{number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda factory: once(factory, "thing", make), workers))
    assert found == made * 3
    assert (found[0] / "file").read_text() == "whole"


def test_what_failed_is_made_anew(tmp_path, monkeypatch):
    def fail(folder):
        raise OSError("no room")

    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    factory = Made(tmp_path / "alone")
    with pytest.raises(OSError, match="no room"):
        once(factory, "thing", fail)
    assert list(once(factory, "thing", lambda folder: (folder / "file").touch()).iterdir()) != []
