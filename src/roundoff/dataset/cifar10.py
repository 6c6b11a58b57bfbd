"""CIFAR-10 from its official binary archive (the Python archive is pickles, which are never opened here).

Format: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version": records of one label byte and 3,072 pixel
bytes, 1,024 each of red, green and blue, row by row.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from roundoff.dataset.base import Dataset, Images, OpenDataset, SplitName
from roundoff.dataset.reading.download import fetch, require_sha256
from roundoff.errors import ConfigError, DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = 32
RECORD = 1 + 3 * SIZE * SIZE
RECORDS_AT_ONCE = 256
FOLDER = "cifar-10-batches-bin"
MEMBERS: dict[SplitName, tuple[str, ...]] = {
    "train": tuple(f"{FOLDER}/data_batch_{number}.bin" for number in range(1, 6)),
    "test": (f"{FOLDER}/test_batch.bin",),
}
UNREADABLE = (tarfile.TarError, EOFError, OSError, zlib.error)


@dataclass(frozen=True)
class Cifar10(Dataset):
    """The archive at `archive`, or else downloaded from `url` into `downloads`; either way of this SHA-256."""

    archive: str | None
    url: str
    sha256: str
    downloads: str = "data/downloads"

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ConfigError(
                "dataset.sha256 is not a SHA-256",
                received=repr(self.sha256),
                expected="64 hexadecimal digits in lower case",
                fix="compute it with `sha256sum FILE`",
            )
        if not re.fullmatch(r"https?://[^/]+/\S+", self.url):
            raise ConfigError(
                "dataset.url is not the address of a file",
                received=repr(self.url),
                expected="https://HOST/PATH/FILE",
                fix="leave dataset.url as conf/dataset/cifar10.yaml has it, or set dataset.archive=PATH",
            )

        for key in ("archive", "downloads"):
            if getattr(self, key) == "":
                raise ConfigError(f"dataset.{key} is empty", received="''", expected="a path", fix=f"set dataset.{key}")

    def open(self) -> OpenDataset:
        """Check the archive's hash, members and record sizes, after downloading it if need be."""
        if self.archive is None:
            path = fetch(self.url, self.sha256, Path(self.downloads))
        else:
            path = Path(self.archive)
            _require_file(path)
            require_sha256(path, self.sha256)
        return _OpenCifar10(path, self.sha256)


class _OpenCifar10(OpenDataset):
    classes = CLASSES
    shape = (SIZE, SIZE, 3)

    def __init__(self, path: Path, sha256: str) -> None:
        self._path = path
        self.source = {"dataset": "CIFAR-10 binary archive", "sha256": sha256}
        try:
            self._tar = tarfile.open(path, "r:gz")  # noqa: SIM115 - closed by close()
            members = {member.name: member for member in self._tar}
        except UNREADABLE as error:
            raise _broken(path, error) from error
        self._members = {split: [self._checked(members, name) for name in names] for split, names in MEMBERS.items()}

    def _checked(self, members: dict[str, tarfile.TarInfo], name: str) -> tarfile.TarInfo:
        member = members.get(name)
        if member is None or not member.isreg():
            raise DataError(
                f"{self._path} lacks {name}",
                received="no such member" if member is None else "a link or special file of that name",
                expected=f"a regular file {name}",
                fix="use cifar-10-binary.tar.gz, not the Python or Matlab version",
            )
        if member.size == 0 or member.size % RECORD:
            raise DataError(
                f"{self._path}: {name} does not hold whole records",
                received=f"{member.size} bytes",
                expected=f"a multiple of {RECORD} bytes",
                fix="get the archive again",
            )
        return member

    def count(self, split: SplitName) -> int:
        return sum(member.size // RECORD for member in self._members[split])

    def read(self, split: SplitName) -> Iterator[tuple[Images, int]]:
        for member in self._members[split]:
            try:
                file = self._tar.extractfile(member)
                assert file is not None  # a regular member, as _checked made sure
                yield from self._records(file, member)
            except UNREADABLE as error:
                raise _broken(self._path, error) from error

    def _records(self, file: IO[bytes], member: tarfile.TarInfo) -> Iterator[tuple[Images, int]]:
        for first in range(0, member.size // RECORD, RECORDS_AT_ONCE):
            records = np.frombuffer(file.read(RECORD * RECORDS_AT_ONCE), dtype=np.uint8).reshape(-1, RECORD)
            planes = records[:, 1:].reshape(-1, 3, SIZE, SIZE)
            images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
            for index, (image, label) in enumerate(zip(images, records[:, 0].tolist(), strict=True)):
                if label >= len(CLASSES):
                    raise DataError(
                        f"{self._path}: {member.name}, record {first + index} has no such class",
                        received=f"label {label}",
                        expected=f"0 to {len(CLASSES) - 1}",
                        fix="get the archive again",
                    )
                yield image, label

    def close(self) -> None:
        self._tar.close()


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(
            f"dataset.archive {path} is not a file",
            received="a directory" if path.is_dir() else "nothing at that path",
            expected="cifar-10-binary.tar.gz",
            fix="set dataset.archive=PATH, or dataset.archive=null to download it",
        )


def _broken(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read as a .tar.gz",
        received=f"{type(error).__name__}: {error}",
        expected="a whole cifar-10-binary.tar.gz",
        fix="get the archive again",
    )
