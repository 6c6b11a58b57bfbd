"""Arrays are read as what they should be, or refused; nothing is unpickled."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.system.arrays import mapped_array, number_series

GOOD = np.arange(12, dtype=np.uint8).reshape(3, 4)


class Payload:
    def __reduce__(self):
        return Path.write_text, (Path("unpickled.txt"), "ran")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "a.npy"


def test_a_fitting_array_is_mapped_as_it_is(path):
    np.save(path, GOOD)
    found = mapped_array(path, "uint8", 2, "prepare")
    assert np.array_equal(found, GOOD)
    assert not found.flags.writeable


@pytest.mark.parametrize(
    "array",
    [GOOD.astype(float), GOOD[None], GOOD.T, GOOD.astype(">u2"), GOOD.astype(str), np.array(3, np.uint8)],
    ids=["float", "three dimensions", "transposed", "byte order", "text", "a number"],
)
def test_another_type_or_shape_is_refused(path, array):
    np.save(path, array)
    with pytest.raises(DataError, match=r"a\.npy cannot be read") as refused:
        mapped_array(path, "uint8", 2, "prepare")
    assert "dvc repro -f prepare" in refused.value.fix


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"0", lambda _: b"", lambda b: bytes(len(b))])
def test_bytes_that_are_missing_or_too_many_are_refused(path, change):
    np.save(path, GOOD)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match="cannot be read"):
        mapped_array(path, "uint8", 2, "prepare")


def test_a_header_that_promises_more_than_any_memory_is_refused(path):
    np.save(path, GOOD)
    path.write_bytes(path.read_bytes().replace(b"(3, 4)", b"(3" + b"0" * 18 + b", 4)", 1))
    with pytest.raises(DataError, match="cannot be read"):
        mapped_array(path, "uint8", 2, "prepare")


def test_nothing_is_unpickled(path):
    np.save(path, np.array([Payload()], object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        mapped_array(path, "object", 1, "prepare")
    member = io.BytesIO()
    np.save(member, np.array([Payload()], object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("device_ms.npy", member.getvalue())
    with pytest.raises(DataError, match="cannot be read"):
        number_series(path, "evaluate")
    assert not Path("unpickled.txt").exists()


def test_series_are_read_as_floats(path):
    np.savez_compressed(path.with_suffix(".npz"), a=np.array([1, 2]), b=np.array([0.5]))
    found = number_series(path.with_suffix(".npz"), "evaluate")
    assert {name: values.tolist() for name, values in found.items()} == {"a": [1.0, 2.0], "b": [0.5]}


@pytest.mark.parametrize("array", [np.array(["a"]), np.zeros((2, 2)), np.array([1j])], ids=["text", "table", "complex"])
def test_what_is_no_series_of_numbers_is_refused(path, array):
    np.savez(path.with_suffix(".npz"), a=array)
    with pytest.raises(DataError, match="cannot be read"):
        number_series(path.with_suffix(".npz"), "evaluate")


def test_a_bit_that_turned_in_an_archive_is_seen(path):
    np.savez(path.with_suffix(".npz"), a=np.arange(100.0))
    content = bytearray(path.with_suffix(".npz").read_bytes())
    content[400] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="CRC"):
        number_series(path, "evaluate")
