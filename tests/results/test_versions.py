"""Files of another format than this version's are refused, whichever of our files they are."""

import json

import pytest

from roundoff.errors import DataError
from roundoff.results.layers import Profile, last_profile, read_profile, write_profile
from roundoff.results.mixed import read_mixed
from roundoff.results.sensitivity import Whole, read_whole, write_whole


@pytest.fixture
def path(tmp_path):
    return tmp_path / "told.json"


@pytest.mark.parametrize("read", [read_profile, read_whole, read_mixed])
@pytest.mark.parametrize("version", [2, 0, None, "1", True, 1.0])
def test_a_file_of_another_format_is_refused_with_what_to_do(path, read, version):
    path.write_text(json.dumps({"format": version}))
    with pytest.raises(DataError, match=r"told\.json has a format (.|\n)*expected: format 1\n +fix: +install"):
        read(path)


@pytest.mark.parametrize("read", [read_profile, read_whole, read_mixed])
def test_a_file_without_one_is_refused(path, read):
    path.write_text("{}")
    with pytest.raises(DataError, match="received: no format"):
        read(path)


@pytest.mark.parametrize("read", [read_profile, read_whole, read_mixed])
def test_what_is_no_object_is_refused(path, read):
    path.write_text("[1]")
    with pytest.raises(DataError, match=r"told\.json"):
        read(path)


@pytest.mark.parametrize(
    ("write", "read", "told"),
    [(write_profile, read_profile, Profile(batch_size=3)), (write_whole, read_whole, Whole())],
)
def test_what_is_written_is_read_again(path, write, read, told):
    write(told, path)
    assert read(path) == told


def test_a_profile_of_another_format_is_measured_anew(path):
    path.write_text(json.dumps({"format": 99, "batch_size": 3}))
    assert last_profile(path) == Profile()
