import pytest

from roundoff.artifact import read_json, sha256_of, whole_directory, whole_file, write_json


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
