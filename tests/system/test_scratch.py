"""A stage's temporary files lie in one folder, and what killed stages left goes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from roundoff.system.processes import here
from roundoff.system.scratch import scratch_folder


@pytest.fixture
def shared(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_temporary_files_lie_in_it_those_of_children_too(shared):
    folder = scratch_folder()
    assert folder.parent == shared
    assert Path(tempfile.mkdtemp()).parent == folder
    code = "import tempfile; print(tempfile.gettempdir())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == f"{folder}\n"


def test_what_ended_processes_left_goes_and_nothing_else(shared):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = shared / f"roundoff-{ended.pid}-{here()}-abcdefgh"
    stay = [
        shared / f"roundoff-{os.getpid()}-{here()}-abcdefgh",
        shared / f"roundoff-{ended.pid}-{'0' * 8}-abcdefgh",  # of another machine, or boot
        shared / "roundoff-export-abcdefgh",
        shared / "stranger",
    ]
    for folder in (gone, *stay):
        folder.mkdir()
        (folder / "file").touch()
    (shared / f"roundoff-{ended.pid}-{here()}-link").symlink_to(shared / "stranger")
    scratch_folder()
    assert not gone.exists()
    assert all((folder / "file").exists() for folder in stay)
