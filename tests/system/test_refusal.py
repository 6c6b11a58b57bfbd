"""What the system refuses is said in words, with the path and what to do; what is no refusal is not taken for one."""

import errno
import os
import resource
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from roundoff.errors import ConfigError, ExportError, MachineError
from roundoff.system.files import whole_directory, whole_file, write_json
from roundoff.system.refusal import KINDS, in_words, is_exhausted, name_path, refusal_of


def told(error):
    found = refusal_of(error)
    assert isinstance(found, MachineError)
    return str(found)


@pytest.mark.parametrize("number", KINDS, ids=errno.errorcode.get)
def test_every_kind_says_what_which_path_and_what_to_do(number):
    words = told(OSError(number, os.strerror(number), "/some/where"))
    assert f"/some/where; {os.strerror(number)} ({errno.errorcode[number]})" in words
    assert words.count("\n") == 3
    assert "PATH" not in words
    assert "{" not in words


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


def test_it_is_found_behind_other_errors_and_by_a_librarys_words():
    outer = RuntimeError("cannot save")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/full")
    assert "no room is left on a disk\n  received: /full;" in told(outer)
    assert "no room" in told(RuntimeError("Unable to write (errno = 28, error message = 'No space left on device')"))
    assert "no room" in told(OSError("4096 requested and 1024 written"))
    assert "no memory is left" in told(MemoryError("Unable to allocate 8. EiB"))
    assert "no further process or thread" in told(RuntimeError("can't start new thread"))


def test_a_full_disk_behind_another_error_is_told_instead_of_it_and_nothing_else_is():
    blamed = ExportError("cannot convert", received="OSError", expected="layers", fix="replace a layer")
    assert in_words(blamed) is blamed
    blamed.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert "no room is left on a disk" in str(in_words(blamed))
    blamed.__cause__ = OSError(errno.ENOENT, "No such file")  # the stage knows better what it means
    assert in_words(blamed) is blamed
    told = refusal_of(OSError(errno.ENOSPC, "No space left on device", "/full"))
    assert told is not None
    assert in_words(told) is told
    assert in_words(ValueError("a bug")) is None


@pytest.mark.parametrize(
    "error", [ValueError("wrong"), RuntimeError("Permission denied by policy 7"), BrokenPipeError(32, "Broken pipe")]
)
def test_what_is_none_is_left_alone(error):
    assert refusal_of(raised(error)) is None
    assert not is_exhausted(error)


def test_an_error_that_leads_back_to_itself_is_no_loop():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert refusal_of(one) is None


def test_the_line_of_the_package_is_named_and_a_partial_file_by_its_own_name(tmp_path, monkeypatch):
    def full(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space") as caught:
        write_json(tmp_path / "a.json", {})
    words = told(caught.value)
    assert f"{tmp_path}/a.json; No space left on device (ENOSPC); left: " in words
    assert f"MB at {tmp_path}" in words
    assert "; at roundoff/system/files.py:" in words


@pytest.mark.parametrize("write", [whole_file, lambda path: whole_directory(path, lambda _: ())])
def test_an_error_of_writing_which_names_no_file_is_given_its_name(tmp_path, write):
    with pytest.raises(OSError, match="quota") as caught, write(tmp_path / "out"):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    assert caught.value.filename == str(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_too_long_is_shortened_in_the_words(tmp_path):
    with pytest.raises(OSError, match="too long") as caught:
        (tmp_path / ("x" * 5000)).read_bytes()
    words = told(caught.value)
    assert "a path is too long" in words
    assert len(words) < 900
    with pytest.raises(ConfigError, match=r"cannot be written(.|\n)*File name too long"):
        write_json(tmp_path / ("x" * 5000) / "a.json", {})


def test_a_circle_of_links_is_named(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links") as caught:
        (tmp_path / "a").read_bytes()
    assert f"links lead in a circle\n  received: {tmp_path}/a;" in told(caught.value)


def test_too_many_open_files_are_told_with_the_limit(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 2, hard))  # noqa: PTH208
    opened: list[IO[str]] = []
    try:
        with pytest.raises(OSError, match="Too many open files") as caught:
            while True:
                opened.append((tmp_path / f"{len(opened)}").open("w"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in opened:
            each.close()
    assert "too many files are open" in told(caught.value)
    assert is_exhausted(caught.value)


def test_a_file_that_may_not_grow_is_told(tmp_path):
    """NumPy's own words for it have no number."""
    with pytest.raises(OSError, match=r"No space left|requested and") as caught, open("/dev/full", "wb") as full:  # noqa: PTH123
        np.arange(10**5).tofile(full)
    assert "no room is left on a disk" in told(caught.value)


def test_the_file_is_named_of_an_error_without_a_number_too(tmp_path):
    with pytest.raises(OSError, match=r"No space left|requested and") as caught, open("/dev/full", "wb") as full:  # noqa: PTH123
        np.arange(10**5).tofile(full)
    name_path(caught.value, tmp_path / "labels.npy")
    assert f"{tmp_path}/labels.npy; No space left on device" in told(caught.value)
    other = OSError("neither a number nor words that mean one")
    name_path(other, tmp_path)
    assert other.filename is None
