from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roundoff.dataset.image_folder import ImageFolder
from roundoff.dataset.reading import tree
from roundoff.errors import ConfigError, DataError
from tests.support.image_files import in_zip, open_folder, png_bytes, some_files


def _deep_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("I;16", (8, 8), 900).save(buffer, "PNG")
    return buffer.getvalue()


def _directory(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)
    return root


@pytest.fixture(params=[_directory, in_zip], ids=["directory", "zip"])
def make(request, tmp_path):
    return lambda files: request.param(tmp_path, files)


def test_images_come_class_by_class_sorted_by_name(make):
    with open_folder(make(some_files())) as opened:
        assert opened.classes == ("ant", "cat")
        assert (opened.count("train"), opened.count("test"), opened.shape) == (6, 4, (8, 8, 3))
        read = [(int(image[0, 0, 0]), label) for image, label in opened.read("train")]
        again = [(int(image[0, 0, 0]), label) for image, label in opened.read("train")]
    assert read == again == [(30, 0), (40, 0), (50, 0), (0, 1), (10, 1), (20, 1)]


def test_directory_and_zip_read_the_same(tmp_path):
    with (
        open_folder(_directory(tmp_path / "folder", some_files())) as folder,
        open_folder(in_zip(tmp_path, some_files())) as archive,
    ):
        assert folder.source["names_sha256"] == archive.source["names_sha256"]
        assert len(str(archive.source["sha256"])) == 64
        for (one, _), (other, _) in zip(folder.read("test"), archive.read("test"), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_any_8_bit_image_becomes_rgb(make, mode):
    with open_folder(make(some_files() | {"test/ant/0.png": png_bytes(255, mode=mode)})) as opened:
        image, _ = next(opened.read("test"))
    assert image.shape == (8, 8, 3)
    assert image.dtype == np.uint8


def test_only_images_of_another_size_are_resized(make):
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    with open_folder(
        make(some_files() | {"test/ant/0.png": buffer.getvalue(), "test/ant/1.png": png_bytes(90, size=31)})
    ) as opened:
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
    with open_folder(make(some_files() | extra)) as opened:
        assert (opened.count("train"), opened.count("test")) == (6, 4)


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(DataError, match=r"dataset.path .*nowhere does not exist"):
        open_folder(tmp_path / "nowhere")


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    path = tmp_path / "images.zip"
    path.write_bytes(b"PK, but no zip")
    with pytest.raises(DataError, match=r"images.zip is neither a directory nor a zip"):
        open_folder(path)


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
        (some_files() | {"train/bee/": b"", "test/bee/0.png": b""}, r"train/bee is an empty class"),
        (some_files() | {"test/bee/": b"", "train/bee/0.png": b""}, r"test/bee is an empty class"),
        (some_files() | {"train/0.png": b""}, r"train/0.png has no place in the layout"),
        (some_files() | {"train/ant/labels.csv": b""}, r"train/ant/labels.csv has no place in the layout"),
        (some_files() | {"test/ant/more/0.png": b""}, r"test/ant/more.* has no place in the layout"),
    ],
)
def test_a_layout_that_is_not_understood_is_refused(make, files, message):
    with pytest.raises(DataError, match=message):
        open_folder(make(files))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no image at all", r"test/cat/1.png is broken\n  received: UnidentifiedImageError"),
        (png_bytes(9, size=64)[:120], r"test/cat/1.png is broken\n  received: \w+"),
        (b"", r"test/cat/1.png is broken\n  received: UnidentifiedImageError"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", r"test/cat/1.png is broken"),
        (
            _deep_png(),
            r"test/cat/1.png is broken\n  received: ValueError: it has more than 8 bits(.|\n)*convert to 8 bits",
        ),
    ],
)
def test_a_broken_image_is_named(make, content, message):
    with (
        open_folder(make(some_files() | {"test/cat/1.png": content})) as opened,
        pytest.raises(DataError, match=message),
    ):
        list(opened.read("test"))


def test_an_image_of_too_many_pixels_is_refused(make, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with (
        open_folder(make(some_files() | {"test/cat/1.png": png_bytes(9, size=64)})) as opened,
        pytest.raises(DataError, match=r"test/cat/1.png is broken\n  received: DecompressionBombError"),
    ):
        list(opened.read("test"))


def test_a_file_that_vanishes_is_named(tmp_path):
    with open_folder(_directory(tmp_path, some_files() | {"train/ant/9.png": b""})) as opened:
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
    _directory(tmp_path, some_files())
    make(tmp_path / at)
    with pytest.raises(DataError, match=rf"{at} is neither a file nor a folder\n  received: {received}"):
        open_folder(tmp_path)


@pytest.mark.parametrize("at", ["README", "val/ant/x.png"])
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("x")]
)
def test_what_dvc_would_never_end_to_read_is_refused_before_it_starts(tmp_path, at, make):
    _directory(tmp_path, some_files() | {"val/ant/0.png": b""})
    (tmp_path / "val/up").symlink_to("..")  # which DVC does not follow for ever
    dataset = ImageFolder(str(tmp_path), watch=str(tmp_path))
    dataset.require_source()
    make(tmp_path / at)
    with pytest.raises(DataError, match=rf"{at} is neither a file nor a folder"):
        dataset.require_source()


def test_a_file_that_becomes_a_pipe_or_too_large_is_never_read(tmp_path, monkeypatch):
    path = _directory(tmp_path, some_files()) / "test/cat/1.png"
    with open_folder(tmp_path) as opened:
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

    with open_folder(_directory(tmp_path, some_files())) as opened:
        monkeypatch.setattr("builtins.open", none_left)
        with pytest.raises(OSError, match="Too many open files"):
            list(opened.read("test"))


@pytest.mark.parametrize("name", [b"\xff\xfe", "画像".encode("shift_jis"), b"a\nb"])
def test_a_class_that_no_report_can_name_is_refused(tmp_path, name):
    root = _directory(tmp_path, some_files())
    for split in (b"train", b"test"):
        folder = Path(os.fsdecode(os.fsencode(root) + b"/" + split + b"/" + name))
        folder.mkdir()
        (folder / "0.png").write_bytes(png_bytes(0))
    with pytest.raises(DataError, match="the name of a class folder cannot be shown"):
        open_folder(root)


def test_files_of_any_name_are_read(tmp_path):
    root = _directory(tmp_path, some_files() | {"test/ant/画像.png": png_bytes(9)})
    (tmp_path / "test/ant" / os.fsdecode(b"\xff.png")).write_bytes(png_bytes(9))
    with open_folder(root) as opened:
        assert len(list(opened.read("test"))) == 6


def test_a_class_of_hidden_files_alone_is_empty_and_says_why(tmp_path):
    root = _directory(tmp_path, some_files() | {"train/bee/.0.png": b"", "test/bee/.0.png": b""})
    with pytest.raises(DataError, match=r"train/bee is an empty class\n  received: no image; hidden files"):
        open_folder(root)


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
    with open_folder(make(some_files())) as opened:
        assert opened.names("test") == ["ant/0.png", "ant/1.png", "cat/0.png", "cat/1.png"]
        assert len(opened.names("train")) == opened.count("train")
