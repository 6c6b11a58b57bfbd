import os
import subprocess
import sys

import pytest

from roundoff.artifact import read_json, sha256_of, whole_directory, whole_file, write_json
from roundoff.errors import DataError


def test_failed_write_keeps_the_former_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"kept": 1})
    with pytest.raises(RuntimeError, match="broke"), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError("broke")
    assert read_json(path) == {"kept": 1}
    assert [child.name for child in tmp_path.iterdir()] == ["a.json"]


def test_failed_directory_keeps_the_former_one(tmp_path):
    path = tmp_path / "out"
    with whole_directory(path) as partial:
        (partial / "one").write_text("1")
    with pytest.raises(RuntimeError, match="broke"), whole_directory(path) as partial:
        (partial / "two").write_text("2")
        raise RuntimeError("broke")
    assert [child.name for child in path.iterdir()] == ["one"]
    assert [child.name for child in tmp_path.iterdir()] == ["out"]


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_sha256_matches_the_published_example(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


WRITER = """
import sys
from pathlib import Path
from roundoff.artifact import whole_directory, whole_file

root, mine = Path(sys.argv[1]), sys.argv[2]
for _ in range(150):
    with whole_file(root / "kernels") as partial:
        with partial.open("w") as file:
            for _ in range(64):
                file.write(mine)
                file.flush()
    with whole_directory(root / "cell") as partial:
        for name in "abcd":
            (partial / name).write_text(mine)
"""


def test_two_writers_leave_one_whole_file_and_one_whole_directory(tmp_path):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, name]) for name in "xy"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert (tmp_path / "kernels").read_text() in ("x" * 64, "y" * 64)
    assert {(tmp_path / "cell" / name).read_text() for name in "abcd"} in ({"x"}, {"y"})
    assert sorted(child.name for child in tmp_path.iterdir()) == ["cell", "kernels"]


def test_what_a_killed_writer_left_goes_after_a_day_and_not_before(tmp_path):
    old, new, other = (tmp_path / f".partial.{name}" for name in ("7-aa.out", "7-bb.out", "7-cc.another"))
    for left in (old, new, other):
        left.mkdir()
    for left in (old, other):
        os.utime(left, (0, 0))
    with whole_directory(tmp_path / "out") as partial:
        assert partial.name.startswith(".partial.")
    assert sorted(child.name for child in tmp_path.iterdir()) == sorted([new.name, other.name, "out"])


def test_json_that_was_cut_off_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text('{"classes": ["a"')
    with pytest.raises(DataError, match=r"manifest\.json is broken"):
        read_json(tmp_path / "manifest.json")


def test_a_linked_directory_is_replaced_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "file").write_text("kept")
    os.utime(tmp_path / "big", (0, 0))
    (tmp_path / "prepared").symlink_to("big")
    for text in ("one", "two"):
        with whole_directory(tmp_path / "prepared") as partial:
            (partial / "file").write_text(text)
    assert (tmp_path / "prepared" / "file").read_text() == "two"
    assert (tmp_path / "big" / "file").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "prepared"]
