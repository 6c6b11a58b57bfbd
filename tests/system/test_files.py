import os
import subprocess
import sys
from pathlib import Path

import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.system.files import parsed_json, read_json, sha256_of, whole_directory, whole_file, write_json


def NAMES(_):  # noqa: N802 - stands for a list
    return ("one", "two", "file", "deep/*.npy")


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
    with whole_directory(path, NAMES) as partial:
        (partial / "one").write_text("1")
    with pytest.raises(RuntimeError, match="broke"), whole_directory(path, NAMES) as partial:
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
from roundoff.system.files import whole_directory, whole_file

root, mine = Path(sys.argv[1]), sys.argv[2]
for _ in range(150):
    with whole_file(root / "kernels") as partial:
        with partial.open("w") as file:
            for _ in range(64):
                file.write(mine)
                file.flush()
    with whole_directory(root / "cell", lambda _: "abcd") as partial:
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
    old, new, other = (
        tmp_path / f".partial.{name}" for name in ("7-0000aaaa.out", "7-0000bbbb.out", "7-0000cccc.another")
    )
    strangers = [tmp_path / f".partial.{name}" for name in ("7-aa.out", "mine-0000aaaa.out", "7-0000aaaa-b.out", "out")]
    for left in (old, new, other, *strangers):
        left.mkdir()
    for left in (old, other, *strangers):
        os.utime(left, (0, 0))
    with whole_directory(tmp_path / "out", NAMES) as partial:
        assert partial.name.startswith(".partial.")
    assert sorted(child.name for child in tmp_path.iterdir()) == sorted(
        [new.name, other.name, "out", *(path.name for path in strangers)]
    )


def test_what_a_killed_writer_of_this_machine_left_goes_at_once(tmp_path):
    code = """
import os, sys
from pathlib import Path
from roundoff.system.files import whole_directory, whole_file

with whole_directory(Path("out"), lambda _: "a"), whole_file(Path("other")) as partial:
    partial.touch()
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    assert len(list(tmp_path.glob(".partial.*"))) == 2
    with whole_directory(tmp_path / "out", NAMES) as mine, whole_file(tmp_path / "third") as partial:
        partial.touch()
        assert mine.exists()
    assert sorted(child.name for child in tmp_path.iterdir()) == ["out", "third"]


def test_json_that_was_cut_off_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text('{"classes": ["a"')
    with pytest.raises(DataError, match=r"manifest\.json is broken"):
        read_json(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e400}', "1e400 is no number"),
        ('{"a": 1, "b": {"a": 1, "a": 2}}', "the key 'a' stands twice"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        ("[" * 100_000, "recursion"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
    ids=["NaN", "infinity", "too large", "twice", "half a character", "deep", "long"],
)
def test_what_python_reads_beyond_json_is_refused(text, received):
    with pytest.raises(DataError, match=r"fp32\.json is broken") as refused:
        parsed_json(text, "fp32.json")
    assert received in str(refused.value.received)


@pytest.mark.parametrize("depth", [101, 400, 100_000])
def test_more_levels_than_anyone_writes_are_refused(depth):
    with pytest.raises(DataError, match=r"it is broken\n  received: (more than 100 levels|maximum recursion)"):
        parsed_json("[" * depth + "]" * depth, "it")
    assert parsed_json("[" * 100 + "]" * 100, "it")


def test_a_byte_that_was_no_utf_8_where_it_was_read_is_named():
    with pytest.raises(DataError, match="decode byte 0xff in position 1"):
        parsed_json(b'"\xff"'.decode("utf-8", "surrogateescape"), "it")


def test_json_of_other_bytes_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(DataError, match=r"a\.json is broken"):
        read_json(tmp_path / "a.json")


def test_escaped_characters_are_read():
    assert parsed_json('{"a": "\\ud83d\\ude00 \\u00e9"}', "x") == {"a": "😀 é"}


def test_a_linked_directory_is_replaced_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "file").write_text("kept")
    os.utime(tmp_path / "big", (0, 0))
    (tmp_path / "prepared").symlink_to("big")
    for text in ("one", "two"):
        with whole_directory(tmp_path / "prepared", NAMES) as partial:
            (partial / "file").write_text(text)
    assert (tmp_path / "prepared" / "file").read_text() == "two"
    assert (tmp_path / "big" / "file").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "prepared"]


def test_a_folder_of_somebody_else_stays_as_it_is(tmp_path):
    for number, name in enumerate(("notes.txt", "deep/er/x.npy", "empty", "deep/x.txt")):
        path = tmp_path / str(number)
        path.mkdir()
        (path / "one").write_text("kept")
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).mkdir() if name == "empty" else (path / name).write_text("kept")
        with pytest.raises(ConfigError, match=f"{path} is not replaced[^$]*{name}"), whole_directory(path, NAMES):
            pytest.fail("no work may be done")
        assert (path / "one").read_text() == "kept"
        assert (path / name).exists()


def test_what_somebody_puts_there_meanwhile_stays(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"notes\.txt"), whole_directory(path, NAMES) as partial:
        (partial / "one").write_text("1")
        path.mkdir()
        (path / "notes.txt").write_text("kept")
    assert [child.name for child in tmp_path.iterdir()] == ["out"]
    assert (path / "notes.txt").read_text() == "kept"


def test_a_linked_folder_of_somebody_else_stays_linked(tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "notes.txt").write_text("kept")
    (tmp_path / "out").symlink_to("big")
    with pytest.raises(ConfigError, match=r"notes\.txt"), whole_directory(tmp_path / "out", NAMES):
        pytest.fail("no work may be done")
    assert (tmp_path / "out").is_symlink()


def test_links_into_a_cache_are_replaced_and_the_cache_stays(tmp_path):
    for name in ("cache", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "cache" / "ab").write_text("cached")
    (tmp_path / "out" / "one").symlink_to(tmp_path / "cache" / "ab")
    (tmp_path / "out" / "two").hardlink_to(tmp_path / "cache" / "ab")
    with whole_directory(tmp_path / "out", NAMES) as partial:
        (partial / "one").write_text("new")
    assert (tmp_path / "cache" / "ab").read_text() == "cached"
    assert (tmp_path / "out" / "one").read_text() == "new"


def test_a_folder_on_another_disk_is_written_by_way_of_its_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    for text in ("one", "two"):
        with whole_directory(tmp_path / "data" / "out", NAMES) as partial:
            assert partial.resolve().parent == tmp_path / "disk"
            (partial / "file").write_text(text)
    assert (tmp_path / "disk" / "out" / "file").read_text() == "two"
    assert [child.name for child in (tmp_path / "disk").iterdir()] == ["out"]


def test_a_file_never_gives_way_to_a_folder_nor_a_folder_to_a_file(tmp_path):
    (tmp_path / "README.md").write_text("kept")
    with pytest.raises(ConfigError, match=r"a file, README\.md"), whole_directory(tmp_path / "README.md", NAMES):
        pytest.fail("no work may be done")
    with pytest.raises(ConfigError, match="is a folder"):
        write_json(tmp_path, {})
    with pytest.raises(ConfigError, match="cannot be written"):
        write_json(tmp_path / "README.md" / "a.json", {})
    assert (tmp_path / "README.md").read_text() == "kept"


@pytest.mark.parametrize("path", ["", ".", ".."])
def test_the_current_folder_is_no_output(tmp_path, monkeypatch, path):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    with pytest.raises(ConfigError), whole_directory(Path(path), NAMES):
        pytest.fail("no work may be done")
    assert (tmp_path / "below").is_dir()


def test_a_writer_has_to_declare_what_it_writes(tmp_path):
    with pytest.raises(AssertionError, match="three is missing"), whole_directory(tmp_path / "out", NAMES) as partial:
        (partial / "three").write_text("3")
    assert list(tmp_path.iterdir()) == []
