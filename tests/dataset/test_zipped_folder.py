"""Images in a zip file: names, links, doubles and damage."""

from __future__ import annotations

import contextlib
import stat
import zipfile
from pathlib import Path

import pytest

from roundoff.dataset.reading import tree
from roundoff.errors import DataError
from tests.support.image_files import in_zip, open_folder, png_bytes, some_files


def _with_class(root: Path, name: bytes) -> Path:
    """A zip with one more class, whose name is these bytes, without a flag that it is UTF-8."""
    stand_in = "n" * len(name)
    path = in_zip(
        root, some_files() | {f"train/{stand_in}/0.png": png_bytes(9), f"test/{stand_in}/0.png": png_bytes(9)}
    )
    path.write_bytes(path.read_bytes().replace(stand_in.encode(), name))
    return path


def test_a_zips_name_in_utf_8_without_its_flag_is_read_as_such(tmp_path):
    with open_folder(_with_class(tmp_path, "画像".encode())) as opened:
        assert opened.classes == ("ant", "cat", "画像")
        assert len(list(opened.read("test"))) == 5


def test_a_zips_name_in_another_encoding_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"which is refused\n  received: a name that is neither ASCII nor UTF-8"):
        open_folder(_with_class(tmp_path, "画像".encode("shift_jis")))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/0.png",
        "../0.png",
        "train/../../0.png",
        "train/ant/../cat/x.png",
        "C:/0.png",
        "train\\..\\..\\0.png",
        "\\\\host\\share\\0.png",
    ],
)
def test_a_zip_path_that_leaves_its_folder_is_refused(tmp_path, name):
    with pytest.raises(
        DataError, match=r"images.zip holds .*which is refused\n  received: a path that leaves its folder"
    ):
        open_folder(in_zip(tmp_path, some_files() | {name: png_bytes(0)}))


def _change_member(path: Path, name: str, **attributes: int) -> zipfile.ZipInfo:
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo(name)
        for key, value in attributes.items():
            setattr(member, key, value)
        archive.writestr(member, png_bytes(0))
    return member


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    path = in_zip(tmp_path, some_files())
    _change_member(path, "train/ant/link.png", create_system=3, external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(DataError, match=r"holds 'train/ant/link.png', which is refused\n  received: a symbolic link"):
        open_folder(path)


def test_a_name_that_a_zip_holds_twice_is_refused(tmp_path):
    path = in_zip(tmp_path, some_files())
    with pytest.warns(UserWarning, match="Duplicate name"):
        _change_member(path, "train/ant/0.png")
    with pytest.raises(DataError, match=r"'train/ant/0.png', which is refused\n  received: a second member"):
        open_folder(path)


def test_a_zip_with_a_wrong_byte_anywhere_is_refused_or_read(tmp_path):
    path = in_zip(tmp_path, {"train/a/0.png": b"0", "train/b/0.png": b"1", "test/a/0.png": b"2", "test/b/0.png": b"3"})
    whole = path.read_bytes()
    for at in range(len(whole)):
        for value in (0x00, 0x0E, 0x7F, 0xE9):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            with contextlib.suppress(DataError), contextlib.closing(tree.ZipTree(path)) as opened:
                for split in ("train", "test"):
                    for folder in opened.folders(split):
                        for file in opened.files(split, folder):
                            opened.read(split, folder, file)


def test_an_encrypted_zip_is_refused(tmp_path):
    path = in_zip(tmp_path, some_files())
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flags of the central directory's first entry
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"which is refused\n  received: an encrypted member"):
        open_folder(path)


def test_a_member_too_large_for_an_image_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "LARGEST_FILE", 1000)
    path = in_zip(tmp_path, some_files() | {"train/ant/0.png": bytes(1001)})
    with pytest.raises(DataError, match=r"'train/ant/0.png', which is refused\n  received: a member of 1001 bytes"):
        open_folder(path)


def test_a_member_whose_checksum_is_wrong_is_named(tmp_path):
    path = in_zip(tmp_path, some_files())
    content = bytearray(path.read_bytes())
    content[content.index(b"IEND") - 6] ^= 1
    path.write_bytes(content)
    with (
        open_folder(path) as opened,
        pytest.raises(DataError, match=r"train/cat/0.png is broken\n  received: BadZipFile"),
    ):
        list(opened.read("train"))
