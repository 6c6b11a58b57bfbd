from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roundoff.dataset.image_folder import ImageFolder
from roundoff.dataset.reading import tree
from roundoff.errors import ConfigError, DataError


def _png(grey: int, size: int = 8, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (grey, 0, 255 - grey)).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def _deep_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("I;16", (8, 8), 900).save(buffer, "PNG")
    return buffer.getvalue()


def _files() -> dict[str, bytes]:
    """Two classes, three training and two test images each; the grey tells the order."""
    names = [
        f"{split}/{name}/{index}.png"
        for split, count in (("train", 3), ("test", 2))
        for name in ("cat", "ant")
        for index in range(count)
    ]
    return {name: _png(10 * position) for position, name in enumerate(names)}


def _directory(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)
    return root


def _zip(root: Path, files: dict[str, bytes]) -> Path:
    path = root / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture(params=[_directory, _zip], ids=["directory", "zip"])
def make(request, tmp_path):
    return lambda files: request.param(tmp_path, files)


def _open(path: Path, size: int = 8):
    return ImageFolder(str(path), size).open()


def test_images_come_class_by_class_sorted_by_name(make):
    with _open(make(_files())) as opened:
        assert opened.classes == ("ant", "cat")
        assert (opened.count("train"), opened.count("test"), opened.shape) == (6, 4, (8, 8, 3))
        read = [(int(image[0, 0, 0]), label) for image, label in opened.read("train")]
        again = [(int(image[0, 0, 0]), label) for image, label in opened.read("train")]
    assert read == again == [(30, 0), (40, 0), (50, 0), (0, 1), (10, 1), (20, 1)]


def test_directory_and_zip_read_the_same(tmp_path):
    with _open(_directory(tmp_path / "folder", _files())) as folder, _open(_zip(tmp_path, _files())) as archive:
        assert folder.source["names_sha256"] == archive.source["names_sha256"]
        assert len(str(archive.source["sha256"])) == 64
        for (one, _), (other, _) in zip(folder.read("test"), archive.read("test"), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_any_8_bit_image_becomes_rgb(make, mode):
    with _open(make(_files() | {"test/ant/0.png": _png(255, mode=mode)})) as opened:
        image, _ = next(opened.read("test"))
    assert image.shape == (8, 8, 3)
    assert image.dtype == np.uint8


def test_only_images_of_another_size_are_resized(make):
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    with _open(make(_files() | {"test/ant/0.png": buffer.getvalue(), "test/ant/1.png": _png(90, size=31)})) as opened:
        kept, resized = (image for image, label in opened.read("test") if label == 0)
    assert np.array_equal(kept, noise)
    assert np.array_equal(resized, np.full((8, 8, 3), (90, 0, 165)))


def test_hidden_files_and_other_folders_are_skipped(make):
    extra = {
        "train/ant/.DS_Store": b"",
        "test/.hidden/0.png": b"",
        "train/cat/Thumbs.db": b"",
        "README.md": b"",
        "val/x": b"",
    }
    with _open(make(_files() | extra)) as opened:
        assert (opened.count("train"), opened.count("test")) == (6, 4)


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(DataError, match=r"dataset.path .*nowhere does not exist"):
        _open(tmp_path / "nowhere")


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    path = tmp_path / "images.zip"
    path.write_bytes(b"PK, but no zip")
    with pytest.raises(DataError, match=r"images.zip is neither a directory nor a zip"):
        _open(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"has no images: no class folder in train/ and test/\n  received: at the top: nothing"),
        ({"data/train/ant/0.png": b""}, r"no class folder in train/ and test/\n  received: at the top: data"),
        (
            {"train/ant/0.png": b"", "val/ant/0.png": b""},
            r"no class folder in test/\n  received: at the top: train, val",
        ),
        ({"train/ant/0.png": b"", "test/ant/0.png": b""}, r"has a single class\n  received: ant"),
        (
            {"train/ant/0.png": b"", "train/cat/0.png": b"", "test/ant/0.png": b"", "test/dog/0.png": b""},
            r"different classes\n  received: only in train: cat; only in test: dog",
        ),
        (_files() | {"train/bee/": b"", "test/bee/0.png": b""}, r"train/bee is an empty class"),
        (_files() | {"test/bee/": b"", "train/bee/0.png": b""}, r"test/bee is an empty class"),
        (_files() | {"train/0.png": b""}, r"train/0.png has no place in the layout"),
        (_files() | {"train/ant/labels.csv": b""}, r"train/ant/labels.csv has no place in the layout"),
        (_files() | {"test/ant/more/0.png": b""}, r"test/ant/more.* has no place in the layout"),
    ],
)
def test_a_layout_that_is_not_understood_is_refused(make, files, message):
    with pytest.raises(DataError, match=message):
        _open(make(files))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no image at all", r"test/cat/1.png is broken\n  received: UnidentifiedImageError"),
        (_png(9, size=64)[:120], r"test/cat/1.png is broken\n  received: \w+"),
        (b"", r"test/cat/1.png is broken\n  received: UnidentifiedImageError"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", r"test/cat/1.png is broken"),
        (
            _deep_png(),
            r"test/cat/1.png is broken\n  received: ValueError: it has more than 8 bits(.|\n)*convert to 8 bits",
        ),
    ],
)
def test_a_broken_image_is_named(make, content, message):
    with _open(make(_files() | {"test/cat/1.png": content})) as opened, pytest.raises(DataError, match=message):
        list(opened.read("test"))


def test_an_image_of_too_many_pixels_is_refused(make, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with (
        _open(make(_files() | {"test/cat/1.png": _png(9, size=64)})) as opened,
        pytest.raises(DataError, match=r"test/cat/1.png is broken\n  received: DecompressionBombError"),
    ):
        list(opened.read("test"))


def test_a_file_that_vanishes_is_named(tmp_path):
    with _open(_directory(tmp_path, _files() | {"train/ant/9.png": b""})) as opened:
        (tmp_path / "train/ant/9.png").unlink()
        (tmp_path / "train/ant/9.png").symlink_to("nowhere")
        with pytest.raises(DataError, match=r"train/ant/9.png is neither(.|\n)*a link that ends nowhere"):
            list(opened.read("train"))


@pytest.mark.parametrize("at", ["train/ant/9.png", "train/bee"])
@pytest.mark.parametrize(
    ("make", "received"),
    [
        (os.mkfifo, "a pipe, a socket or a device"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe, a socket or a device"),
        (lambda path: path.symlink_to(path), "a link that ends nowhere"),
    ],
    ids=["pipe", "device", "circle"],
)
def test_what_is_neither_file_nor_folder_is_refused_at_once(tmp_path, at, make, received):
    _directory(tmp_path, _files())
    make(tmp_path / at)
    with pytest.raises(DataError, match=rf"{at} is neither a file nor a folder\n  received: {received}"):
        _open(tmp_path)


@pytest.mark.parametrize("at", ["README", "val/ant/x.png"])
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("x")]
)
def test_what_dvc_would_never_end_to_read_is_refused_before_it_starts(tmp_path, at, make):
    _directory(tmp_path, _files() | {"val/ant/0.png": b""})
    (tmp_path / "val/up").symlink_to("..")  # which DVC does not follow for ever
    dataset = ImageFolder(str(tmp_path), watch=str(tmp_path))
    dataset.require_source()
    make(tmp_path / at)
    with pytest.raises(DataError, match=rf"{at} is neither a file nor a folder"):
        dataset.require_source()


def test_a_file_that_becomes_a_pipe_or_too_large_is_never_read(tmp_path, monkeypatch):
    path = _directory(tmp_path, _files()) / "test/cat/1.png"
    with _open(tmp_path) as opened:
        os.truncate(path, tree.LARGEST_FILE + 1)
        with pytest.raises(DataError, match=r"test/cat/1.png is broken(.|\n)*more than \d+ bytes are no image"):
            list(opened.read("test"))
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(DataError, match=r"test/cat/1.png is neither"):
            list(opened.read("test"))


def test_a_machine_that_is_used_up_is_not_the_images_fault(tmp_path, monkeypatch):
    def none_left(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    with _open(_directory(tmp_path, _files())) as opened:
        monkeypatch.setattr("builtins.open", none_left)
        with pytest.raises(OSError, match="Too many open files"):
            list(opened.read("test"))


@pytest.mark.parametrize("name", [b"\xff\xfe", "画像".encode("shift_jis"), b"a\nb"])
def test_a_class_that_no_report_can_name_is_refused(tmp_path, name):
    root = _directory(tmp_path, _files())
    for split in (b"train", b"test"):
        folder = Path(os.fsdecode(os.fsencode(root) + b"/" + split + b"/" + name))
        folder.mkdir()
        (folder / "0.png").write_bytes(_png(0))
    with pytest.raises(DataError, match="the name of a class folder cannot be shown"):
        _open(root)


def test_files_of_any_name_are_read(tmp_path):
    root = _directory(tmp_path, _files() | {"test/ant/画像.png": _png(9)})
    (tmp_path / "test/ant" / os.fsdecode(b"\xff.png")).write_bytes(_png(9))
    with _open(root) as opened:
        assert len(list(opened.read("test"))) == 6


def test_a_class_of_hidden_files_alone_is_empty_and_says_why(tmp_path):
    root = _directory(tmp_path, _files() | {"train/bee/.0.png": b"", "test/bee/.0.png": b""})
    with pytest.raises(DataError, match=r"train/bee is an empty class\n  received: no image; hidden files"):
        _open(root)


def _with_class(root: Path, name: bytes) -> Path:
    """A zip with one more class, whose name is these bytes, without a flag that it is UTF-8."""
    stand_in = "n" * len(name)
    path = _zip(root, _files() | {f"train/{stand_in}/0.png": _png(9), f"test/{stand_in}/0.png": _png(9)})
    path.write_bytes(path.read_bytes().replace(stand_in.encode(), name))
    return path


def test_a_zips_name_in_utf_8_without_its_flag_is_read_as_such(tmp_path):
    with _open(_with_class(tmp_path, "画像".encode())) as opened:
        assert opened.classes == ("ant", "cat", "画像")
        assert len(list(opened.read("test"))) == 5


def test_a_zips_name_in_another_encoding_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"which is refused\n  received: a name that is neither ASCII nor UTF-8"):
        _open(_with_class(tmp_path, "画像".encode("shift_jis")))


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
        _open(_zip(tmp_path, _files() | {name: _png(0)}))


def _change_member(path: Path, name: str, **attributes: int) -> zipfile.ZipInfo:
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo(name)
        for key, value in attributes.items():
            setattr(member, key, value)
        archive.writestr(member, _png(0))
    return member


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    path = _zip(tmp_path, _files())
    _change_member(path, "train/ant/link.png", create_system=3, external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(DataError, match=r"holds 'train/ant/link.png', which is refused\n  received: a symbolic link"):
        _open(path)


def test_a_name_that_a_zip_holds_twice_is_refused(tmp_path):
    path = _zip(tmp_path, _files())
    with pytest.warns(UserWarning, match="Duplicate name"):
        _change_member(path, "train/ant/0.png")
    with pytest.raises(DataError, match=r"'train/ant/0.png', which is refused\n  received: a second member"):
        _open(path)


def test_a_zip_with_a_wrong_byte_anywhere_is_refused_or_read(tmp_path):
    path = _zip(tmp_path, {"train/a/0.png": b"0", "train/b/0.png": b"1", "test/a/0.png": b"2", "test/b/0.png": b"3"})
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
    path = _zip(tmp_path, _files())
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flags of the central directory's first entry
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"which is refused\n  received: an encrypted member"):
        _open(path)


def test_a_member_too_large_for_an_image_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "LARGEST_FILE", 1000)
    path = _zip(tmp_path, _files() | {"train/ant/0.png": bytes(1001)})
    with pytest.raises(DataError, match=r"'train/ant/0.png', which is refused\n  received: a member of 1001 bytes"):
        _open(path)


def test_a_member_whose_checksum_is_wrong_is_named(tmp_path):
    path = _zip(tmp_path, _files())
    content = bytearray(path.read_bytes())
    content[content.index(b"IEND") - 6] ^= 1
    path.write_bytes(content)
    with _open(path) as opened, pytest.raises(DataError, match=r"train/cat/0.png is broken\n  received: BadZipFile"):
        list(opened.read("train"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"path": ""}, "dataset.path is empty"),
        ({"path": "x", "size": 0}, "dataset.size is not a size"),
        ({"path": "data/b", "watch": "data/a"}, r"dataset.watch does not cover(.|\n)*set dataset.watch=data/b"),
        ({"path": "data/ab", "watch": "data/a"}, "dataset.watch does not cover"),
    ],
)
def test_bad_values_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        ImageFolder(**values)


@pytest.mark.parametrize("watch", ["data/a", "data", "."])
def test_the_folder_itself_or_one_above_it_is_watched(watch):
    assert ImageFolder("data/a", watch=watch).watch == watch


def test_a_source_that_is_not_there_is_told_before_anything_is_read(tmp_path):
    with pytest.raises(DataError, match=r"dataset.path .*nowhere does not exist"):
        ImageFolder(str(tmp_path / "nowhere")).require_source()
    ImageFolder(str(tmp_path)).require_source()


def test_images_have_names_in_their_order(make):
    with _open(make(_files())) as opened:
        assert opened.names("test") == ["ant/0.png", "ant/1.png", "cat/0.png", "cat/1.png"]
        assert len(opened.names("train")) == opened.count("train")
