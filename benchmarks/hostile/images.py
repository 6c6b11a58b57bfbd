"""Folders and zips of images, as the stage prepare reads them."""

from __future__ import annotations

import os
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.hostile.case import Case
from benchmarks.hostile.pictures import SIZE, UNKNOWN, Picture, encoded, pictures, smooth

Files = dict[str, bytes]
AT = "test/b/1"
MEMBERS = ("an encrypted member", "a link", "a name twice", "a file that claims 4 GB", "an unknown compression")


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
    for how, archive, right in _archives(good, random):
        yield Case("a zip of images", how, partial(_read_zip, archive), right)


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
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "images.zip"


def _spoilt_folder(files: Files, spoil: Callable[[Path], object], folder: Path) -> dict[str, list[NDArray[np.uint8]]]:
    spoil(_folder(files, folder))
    return _images(folder)


def _count(test: int, train: int = 2) -> Callable[[Any], bool]:
    return lambda read: (len(read["test"]), len(read["train"])) == (test, train)


def _never(_: object) -> bool:
    return False


Spoilt = tuple[str, Callable[[Path], object], Callable[[Any], bool]]


def _folders() -> Iterator[Spoilt]:
    """Things that lie among the images, at each depth."""
    for at in (f"{AT}.png", "test/c", "test/b", "train", "test/b/0.png"):
        yield f"a pipe at {at}", partial(_instead, at, lambda path: os.mkfifo(path)), _never
        yield f"a socket at {at}", partial(_instead, at, _socket), _never
        yield f"a link to itself at {at}", partial(_instead, at, lambda path: path.symlink_to(path)), _never
        yield f"a link to nowhere at {at}", partial(_instead, at, lambda path: path.symlink_to("nowhere")), _never
        for device in ("/dev/zero", "/dev/null", "/dev/tty"):
            yield f"a link to {device} at {at}", partial(_instead, at, _link_to(device)), _never
        yield f"a link to the top at {at}", partial(_instead, at, _link_to("..")), _never
    yield "a link to an image", partial(_instead, f"{AT}.png", _link_to("0.png")), _count(3)
    yield "a link to a class", partial(_instead, "test/b", _link_to("a")), _count(2)
    yield "a sparse file of 1 TB", partial(_instead, f"{AT}.png", _sparse), _never
    yield "hidden files alone", partial(_moved, "test/b/0.png", "test/b/.0.png"), _never
    yield "hidden files beside", partial(_made, "test/b/._0.png"), _count(2)
    yield "what desktops leave", partial(_made, "test/b/Thumbs.db"), _count(2)
    yield "an empty class", partial(_moved, "test/b/0.png", "x"), _never
    yield "a class in train alone", partial(_made, "train/c/0.png"), _never
    yield "another kind of file", partial(_made, "test/b/labels.csv"), _never
    yield "a file beside the classes", partial(_made, "test/0.png"), _never
    yield "a folder in a class", partial(_made, "test/b/c/0.png"), _never
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
        (b"\xff\xfe", _never),
        (b"a\nb", _never),
        ("画像".encode("shift_jis"), _never),
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


Archive = tuple[str, Callable[[Path], None], Callable[[Any], bool]]


def _archives(good: Files, random: Generator) -> Iterator[Archive]:
    """Zips whose names, members or bytes are hostile."""
    image = good["test/b/0.png"]
    for name in (
        "/etc/0.png",
        "../0.png",
        "train/../../0.png",
        "C:/0.png",
        "\\\\host\\share\\0.png",
        "train\\..\\..\\x.png",
    ):
        yield f"a member {name}", partial(_member, good, name.encode(), image, {}), _never
    for name, right in (
        ("test/b/画像.png".encode("shift_jis"), _never),
        ("test/表/0.png".encode("shift_jis"), _never),
        ("test/b/画像.png".encode(), _count(3)),
        ("test/b/é.png".encode("latin1"), _never),
        (b"test/b/a\nb.png", _count(3)),
        (b"test/b/" + b"x" * 3000 + b".png", _count(3)),
        (b"Train/b/9.png", _count(2)),
        (b"test/b/.9.png", _count(2)),
        (b"__MACOSX/test/b/9.png", _count(2)),
    ):
        yield f"a member {name!r:.40}", partial(_member, good, name, image, {}), right
    link = {"create_system": 3, "external_attr": (stat.S_IFLNK | 0o777) << 16}
    yield "a link", partial(_member, good, b"test/b/1.png", b"/etc/passwd", link), _never
    yield "a name twice", partial(_member, good, b"test/b/0.png", image, {}), _never
    yield "a member without a name", partial(_member, good, b"", image, {}), _never
    yield "256 MB of zeros in 256 kB", partial(_member, good, b"test/b/1.png", bytes(256 << 20), {}), _never
    yield "a member of more", partial(_member, good, b"test/b/1.png", bytes((256 << 20) + 1), {}), _never
    for how, offset, value in (
        ("encrypted", 8, 1),
        ("compressed in an unknown way", 10, 99),
        ("claiming 4 GB", 24, 255),
    ):
        yield f"a member {how}", partial(_header, good, offset, value), _never
    for share in (0.0, 0.05, 0.3, 0.6, 0.9, 0.99):
        yield f"{share:.0%} of a zip", partial(_cut, good, share), _never
    for _ in range(25):
        yield "wrong bytes in a zip", partial(_flipped, good, int(random.integers(2**31))), _any
    for how, content in (
        ("a tar", b"a" * 257 + b"ustar\0" + bytes(600)),
        ("7z", b"7z\xbc\xaf\x27\x1c" + bytes(60)),
        ("an empty file", b""),
    ):
        yield how, partial(_bytes, content), _never
    yield "bytes in front of a zip", partial(_in_front, good), _count(2)


def _any(_: object) -> bool:
    return True


def _read_zip(make: Callable[[Path], None], folder: Path) -> dict[str, list[NDArray[np.uint8]]]:
    make(folder / "images.zip")
    return _images(folder / "images.zip")


def _member(good: Files, name: bytes, content: bytes, attributes: dict[str, int], path: Path) -> None:
    """The good zip with one more member, whose name is these bytes, without a flag that it is UTF-8."""
    stand_in = "n" * len(name)
    with zipfile.ZipFile(path, "w") as archive:
        for each, image in good.items():
            archive.writestr(each, image)
        member = zipfile.ZipInfo(stand_in)
        for key, value in attributes.items():
            setattr(member, key, value)
        archive.writestr(member, content, zipfile.ZIP_DEFLATED, 1)
    whole = path.read_bytes()
    if name:
        head, _, tail = whole.rpartition(b"PK\x01\x02")
        tail = tail.replace(stand_in.encode(), name, 1)
        at = head.rindex(b"PK\x03\x04")
        path.write_bytes(head[:at] + head[at:].replace(stand_in.encode(), name, 1) + b"PK\x01\x02" + tail)


def _header(good: Files, offset: int, value: int, path: Path) -> None:
    """One byte of a central directory's entry set."""
    content = bytearray(_zip(good, path.parent).read_bytes())
    at = content.index(b"PK\x01\x02") + offset
    content[at] |= value
    if value == 255:
        content[at : at + 4] = b"\xff\xff\xff\xef"
    path.write_bytes(content)


def _cut(good: Files, share: float, path: Path) -> None:
    whole = _zip(good, path.parent).read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])


def _flipped(good: Files, seed: int, path: Path) -> None:
    random, content = np.random.default_rng(seed), bytearray(_zip(good, path.parent).read_bytes())
    for at in random.integers(0, len(content), 4):
        content[at] = random.integers(256)
    path.write_bytes(content)


def _bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _in_front(good: Files, path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\n" + _zip(good, path.parent).read_bytes())
