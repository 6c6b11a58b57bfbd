"""Zips of images whose names, members or bytes are hostile."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator

from benchmarks.hostile.case import never

Files = dict[str, bytes]
Archive = Callable[[Path], object]  # writes the zip to a path
Right = Callable[[object], bool] | int  # a number: so many test images are read
LEAVING = ("/etc/0.png", "../0.png", "train/../../0.png", "C:/0.png", "\\\\host\\share\\0.png", "train\\..\\..\\x.png")
NAMED: tuple[tuple[bytes, Right], ...] = (
    ("test/b/画像.png".encode("shift_jis"), never),
    ("test/表/0.png".encode("shift_jis"), never),
    ("test/b/画像.png".encode(), 3),
    ("test/b/é.png".encode("latin1"), never),
    (b"test/b/a\nb.png", 3),
    (b"test/b/" + b"x" * 3000 + b".png", 3),
    (b"Train/b/9.png", 2),
    (b"test/b/.9.png", 2),
    (b"__MACOSX/test/b/9.png", 2),
)
NO_ZIPS = {"a tar": b"a" * 257 + b"ustar\0" + bytes(600), "7z": b"7z\xbc\xaf\x27\x1c" + bytes(60), "an empty file": b""}
HEADERS = (
    ("encrypted", 8, b"\1"),
    ("compressed in an unknown way", 10, b"c"),
    ("claiming 4 GB", 24, b"\xff\xff\xff\xef"),
)


def archives(good: Files, random: Generator) -> Iterator[tuple[str, Archive, Right]]:
    """What was done, what writes the zip, and what is right."""
    image = good["test/b/0.png"]
    for name in LEAVING:
        yield f"a member {name}", partial(_member, good, name.encode(), image), never
    for encoded, right in NAMED:
        yield f"a member {encoded!r:.40}", partial(_member, good, encoded, image), right
    yield "a link", partial(_member, good, b"test/b/1.png", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), never
    yield "a name twice", partial(_member, good, b"test/b/0.png", image), never
    yield "a member without a name", partial(_member, good, b"", image), never
    yield "256 MB of zeros in 256 kB", partial(_member, good, b"test/b/1.png", bytes(256 << 20)), never
    yield "a member of more", partial(_member, good, b"test/b/1.png", bytes((256 << 20) + 1)), never
    for how, offset, value in HEADERS:
        yield f"a member {how}", partial(_header, good, offset, value), never
    for share in (0.0, 0.05, 0.3, 0.6, 0.9, 0.99):
        yield f"{share:.0%} of a zip", partial(_cut, good, share), never
    for _ in range(25):
        yield "wrong bytes in a zip", partial(_flipped, good, int(random.integers(2**31))), lambda _: True
    for how, content in NO_ZIPS.items():
        yield how, partial(_bytes, content), never
    yield "bytes in front of a zip", partial(_in_front, good), 2


def zipped(files: Files, path: Path) -> bytes:
    """Write the files as a zip; its bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.read_bytes()


def _member(good: Files, name: bytes, content: bytes, path: Path, mode: int = 0) -> None:
    """The good zip with one more member, whose name is these bytes, without a flag that it is UTF-8."""
    zipped(good, path)
    stand_in = "n" * len(name)
    member = zipfile.ZipInfo(stand_in)
    member.create_system, member.external_attr = 3, mode << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, content, zipfile.ZIP_DEFLATED, 1)
    if name:
        head, _, tail = path.read_bytes().rpartition(b"PK\x01\x02")
        at = head.rindex(b"PK\x03\x04")
        local, central = (each.replace(stand_in.encode(), name, 1) for each in (head[at:], tail))
        path.write_bytes(head[:at] + local + b"PK\x01\x02" + central)


def _header(good: Files, offset: int, value: bytes, path: Path) -> None:
    """Bytes of the central directory's first entry set."""
    content = bytearray(zipped(good, path))
    at = content.index(b"PK\x01\x02") + offset
    content[at : at + len(value)] = value
    path.write_bytes(content)


def _cut(good: Files, share: float, path: Path) -> None:
    whole = zipped(good, path)
    path.write_bytes(whole[: int(share * len(whole))])


def _flipped(good: Files, seed: int, path: Path) -> None:
    random, content = np.random.default_rng(seed), bytearray(zipped(good, path))
    for at in random.integers(0, len(content), 4):
        content[at] = random.integers(256)
    path.write_bytes(content)


def _bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _in_front(good: Files, path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\n" + zipped(good, path))
