"""A Keras file is a whole archive, or refused before Keras reads it."""

import zipfile

import pytest

from roundoff.model.taking.keras_reading import MEMBERS, loaded
from roundoff.model.taking.unloadable import Unloadable


def archive(path, members):
    with zipfile.ZipFile(path, "w") as written:
        for name, content in members:
            written.writestr(name, content)
    return path


WHOLE = [(name, b"{}" * 100) for name in MEMBERS]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (WHOLE[:-1], "no model.weights.h5 in it"),
        ([*WHOLE, ("../../evil", b"x")], "leads out of it"),
        ([*WHOLE, ("/tmp/evil", b"x")], "leads out of it"),
        ([*WHOLE, ("a\\..\\evil", b"x")], "leads out of it"),
    ],
)
def test_an_archive_that_keras_did_not_write_is_refused(tmp_path, members, words):
    with pytest.raises(Unloadable, match=words):
        loaded(archive(tmp_path / "model.keras", members))


@pytest.mark.parametrize("change", [lambda b: b[: len(b) // 2], lambda _: b"", lambda _: b"PK\x03\x04" * 9])
def test_what_is_no_archive_is_refused(tmp_path, change):
    path = archive(tmp_path / "model.keras", WHOLE)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Unloadable, match="BadZipFile"):
        loaded(path)


def test_a_bit_that_turned_is_seen(tmp_path):
    path = archive(tmp_path / "model.keras", WHOLE)
    content = bytearray(path.read_bytes())
    content[content.index(b"{}{}") + 8] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(Unloadable, match="whose content is not what was written"):
        loaded(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(Unloadable, match="a member twice"):
        loaded(archive(tmp_path / "model.keras", [*WHOLE, WHOLE[0]]))
