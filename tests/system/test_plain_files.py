"""A pipe, a socket or a device among files is refused before anything waits for it."""

import os
import socket
from pathlib import Path

import pytest

from roundoff.errors import DataError
from roundoff.system.arrays import array_type, mapped_array, number_series
from roundoff.system.files import read_json, sha256_of, write_text
from roundoff.system.plain_files import append_plain, read_plain, refuse_special


def sock(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def linked_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("p"))
    path.symlink_to("p")


MADE = {
    "pipe": os.mkfifo,
    "socket": sock,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link to a pipe": linked_pipe,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_is_neither_file_nor_folder_is_refused_at_any_depth(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    folder = Path("a/b")
    folder.mkdir(parents=True)
    (folder / "plain").touch()
    refuse_special(Path("a"))
    make(folder / "x")
    for top in ("a", "a/b/x"):
        with pytest.raises(DataError, match="is neither a file nor a folder"):
            refuse_special(Path(top))


def test_what_cannot_be_looked_at_is_left_to_its_reader(tmp_path):
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "up").symlink_to(tmp_path, target_is_directory=True)
    refuse_special(tmp_path)
    refuse_special(tmp_path / "gone")


@pytest.mark.parametrize("make", [MADE["pipe"], MADE["device"], MADE["link to a pipe"]], ids=["pipe", "device", "link"])
@pytest.mark.parametrize(
    "read",
    [
        read_plain,
        read_json,
        sha256_of,
        lambda path: append_plain(path, b""),
        lambda path: write_text(path, ""),
        lambda path: mapped_array(path, "int64", 1, "evaluate"),
        lambda path: array_type(path, "evaluate"),
        lambda path: number_series(path, "evaluate"),
    ],
    ids=["bytes", "JSON", "hash", "append", "write", "array", "type", "series"],
)
def test_nothing_waits_for_it(tmp_path, make, read):
    make(tmp_path / "x")
    with pytest.raises(DataError, match="a pipe, a socket or a device"):
        read(tmp_path / "x")


def test_a_file_is_read_as_far_as_it_is_wanted(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert read_plain(tmp_path / "x") == b"abc"
    assert read_plain(tmp_path / "x", 2) == b"ab"
    with pytest.raises(IsADirectoryError):
        read_plain(tmp_path)
