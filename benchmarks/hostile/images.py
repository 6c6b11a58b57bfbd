"""Folders and zips of images, as the stage prepare reads them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.hostile.archives import Archive, Files, archives, zipped
from benchmarks.hostile.case import Case, never
from benchmarks.hostile.pictures import SIZE, UNKNOWN, Picture, encoded, pictures, smooth

AT = "test/b/1"
SHIFT_JIS = "画像".encode("shift_jis")


def cases(_: Path, random: Generator) -> Iterator[Case]:
    """Every picture in a folder and in a zip, under a name of its own kind and of another; then names and kinds."""
    good = {f"{split}/{name}/0.png": encoded(smooth(random), "PNG") for split in ("train", "test") for name in "ab"}
    for number, picture in enumerate(pictures(random)):
        written = (_folder, _zip)[number % 2]
        suffix = (".png", ".jpg", ".gif", ".tif")[number % 4]
        files = good | {AT + suffix: picture.content}
        yield Case(f"image{suffix}, {written.__name__[1:]}", picture.how, partial(_read, files, written), _as(picture))
    for how, spoil, right in _folders():
        yield Case("a folder of images", how, partial(_spoilt_folder, good, spoil), right)
    for how, archive, expected in archives(good, random):
        as_expected = expected if callable(expected) else _count(expected)
        yield Case("a zip of images", how, partial(_read_zip, archive), as_expected)


def _as(picture: Picture) -> Callable[[Any], bool]:
    def right(read: dict[str, list[NDArray[np.uint8]]]) -> bool:
        if picture.pixels is None:
            return False
        found = read["test"][-1]
        if found.shape != (SIZE, SIZE, 3) or found.dtype != np.uint8:
            return False
        if isinstance(picture.pixels, str):
            return picture.pixels == UNKNOWN
        return bool(np.abs(found.astype(int) - picture.pixels.astype(int)).max() <= picture.off)

    return right


def _read(files: Files, written: Callable[[Files, Path], Path], folder: Path) -> dict[str, list[NDArray[np.uint8]]]:
    return _images(written(files, folder))


def _images(path: Path) -> dict[str, list[NDArray[np.uint8]]]:
    from roundoff.dataset.image_folder import ImageFolder

    with ImageFolder(str(path), SIZE).open() as opened:
        return {split: [image for image, _ in opened.read(split)] for split in ("test", "train")}


def _folder(files: Files, folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _zip(files: Files, folder: Path) -> Path:
    zipped(files, folder / "images.zip")
    return folder / "images.zip"


def _spoilt_folder(files: Files, spoil: Callable[[Path], object], folder: Path) -> dict[str, list[NDArray[np.uint8]]]:
    spoil(_folder(files, folder))
    return _images(folder)


def _count(test: int, train: int = 2) -> Callable[[Any], bool]:
    return lambda read: (len(read["test"]), len(read["train"])) == (test, train)


Spoilt = tuple[str, Callable[[Path], object], Callable[[Any], bool]]


def _folders() -> Iterator[Spoilt]:
    """Things that lie among the images, at each depth."""
    for at in (f"{AT}.png", "test/c", "test/b", "train", "test/b/0.png"):
        yield f"a pipe at {at}", partial(_instead, at, lambda path: os.mkfifo(path)), never
        yield f"a socket at {at}", partial(_instead, at, _socket), never
        yield f"a link to itself at {at}", partial(_instead, at, lambda path: path.symlink_to(path)), never
        yield f"a link to nowhere at {at}", partial(_instead, at, lambda path: path.symlink_to("nowhere")), never
        for device in ("/dev/zero", "/dev/null", "/dev/tty"):
            yield f"a link to {device} at {at}", partial(_instead, at, _link_to(device)), never
        yield f"a link to the top at {at}", partial(_instead, at, _link_to("..")), never
    yield "a link to an image", partial(_instead, f"{AT}.png", _link_to("0.png")), _count(3)
    yield "a link to a class", partial(_instead, "test/b", _link_to("a")), _count(2)
    yield "a sparse file of 1 TB", partial(_instead, f"{AT}.png", _sparse), never
    yield "hidden files alone", partial(_moved, "test/b/0.png", "test/b/.0.png"), never
    yield "hidden files beside", partial(_made, "test/b/._0.png"), _count(2)
    yield "what desktops leave", partial(_made, "test/b/Thumbs.db"), _count(2)
    yield "an empty class", partial(_moved, "test/b/0.png", "x"), never
    yield "a class in train alone", partial(_made, "train/c/0.png"), never
    yield "another kind of file", partial(_made, "test/b/labels.csv"), never
    yield "a file beside the classes", partial(_made, "test/0.png"), never
    yield "a folder in a class", partial(_made, "test/b/c/0.png"), never
    for name in (
        b"\xff\xfe.png",
        "画像.png".encode("shift_jis"),
        "画像.png".encode(),
        b"a b.png",
        b"a\nb.png",
        b"x" * 251 + b".png",
    ):
        yield f"a file named {name!r:.40}", partial(_linked, b"test/b/" + name), _count(3)
    for name, right in (
        (b"\xff\xfe", never),
        (b"a\nb", never),
        ("画像".encode("shift_jis"), never),
        ("画像".encode(), _count(3, 3)),
    ):
        yield f"a class named {name!r}", partial(_class_named, name), right


def _instead(at: str, make: Callable[[Path], object], top: Path) -> None:
    path = top / at
    if path.is_dir():
        path.rename(top / "moved")
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    make(path)


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the whole path may be too long for one
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(before)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _moved(name: str, to: str, top: Path) -> None:
    (top / name).rename(top / to)


def _made(name: str, top: Path) -> None:
    (top / name).parent.mkdir(exist_ok=True)
    (top / name).write_bytes(b"")


def _linked(name: bytes, top: Path) -> None:
    os.link(top / "test/b/0.png", os.path.join(os.fsencode(top), name))  # noqa: PTH118 - names that are no text


def _class_named(name: bytes, top: Path) -> None:
    for split in (b"train", b"test"):
        folder = os.path.join(os.fsencode(top), split, name)  # noqa: PTH118
        os.mkdir(folder)  # noqa: PTH102
        os.link(top / "test/b/0.png", folder + b"/0.png")


def _read_zip(archive: Archive, folder: Path) -> dict[str, list[NDArray[np.uint8]]]:
    path = folder / "images.zip"
    archive(path)
    return _images(path)
