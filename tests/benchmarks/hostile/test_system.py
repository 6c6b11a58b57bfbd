"""Calls that are refused, in readings and writings."""

import errno

import pytest

from benchmarks.hostile.case import Lost
from benchmarks.hostile.system import _calls, _positions, _read, _written
from roundoff.errors import MachineError
from roundoff.system.files import write_text


def read(folder):
    return (folder / "a").read_text()


def write(_, folder):
    write_text(folder / "a", "whole")


def careless(_, folder):
    with (folder / "a").open("w") as file:
        (folder / "b").open("w").close()
        file.write("whole")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project/a").write_text("whole")
    (tmp_path / "written").mkdir()
    return tmp_path / "project"


def test_each_call_of_a_reading_is_refused_once(project):
    calls = _calls(lambda: read(project), project)
    assert calls >= 1
    for at in _positions(calls):
        with pytest.raises(MachineError, match="no room is left"):
            _read(read, project, errno.ENOSPC, at, project)
    assert _read(read, project, errno.ENOSPC, calls, project) == "whole"  # behind the last


def test_a_writing_that_leaves_half_is_found_and_a_whole_one_is_not(project, tmp_path):
    written = tmp_path / "written"
    write(project, written)
    said = []
    for at in range(_calls(lambda: write(project, written), written)):
        try:
            assert _written(write, project, errno.ENOSPC, at, written) == "whole"  # a folder that is there already
        except MachineError as error:
            said.append(str(error))
    assert len(said) >= 2
    with pytest.raises(Lost, match="half written"):
        _written(careless, project, errno.ENOSPC, 1, written)
