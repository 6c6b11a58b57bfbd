from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from roundoff.dataset import cifar10
from roundoff.dataset.cifar10 import MEMBERS, RECORD, Cifar10
from roundoff.errors import ConfigError, DataError
from roundoff.system.files import sha256_of

URL = "https://example.org/cifar-10-binary.tar.gz"
NAMES = [*MEMBERS["train"], *MEMBERS["test"]]


def _records(seed: int, count: int = 300) -> bytes:
    random = np.random.default_rng(seed)
    records = random.integers(0, 256, (count, RECORD), dtype=np.uint8)
    records[:, 0] = np.arange(count) % 10
    return records.tobytes()


def _archive(path: Path, members: dict[str, bytes | None]) -> Path:
    """A .tar.gz of these members; None stands for a symbolic link."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def _contents() -> dict[str, bytes | None]:
    """The members, out of order as in the official archive."""
    return {name: _records(NAMES.index(name)) for name in [NAMES[4], NAMES[5], *NAMES[:4]]}


def _open(path: Path):
    return Cifar10(str(path), URL, sha256_of(path)).open()


def test_records_become_images_and_labels_in_the_order_of_the_batches(tmp_path):
    with _open(_archive(tmp_path / "a.tar.gz", _contents())) as opened:
        assert (opened.count("train"), opened.count("test")) == (1500, 300)
        images, labels = zip(*opened.read("train"), strict=True)
        assert len(list(opened.read("test"))) == 300
    raw = np.frombuffer(b"".join(_records(batch) for batch in range(5)), dtype=np.uint8).reshape(-1, RECORD)
    assert list(labels) == raw[:, 0].tolist()
    assert images[0].shape == opened.shape == (32, 32, 3)
    for row, column, channel in [(0, 0, 0), (5, 31, 1), (31, 7, 2)]:
        pixels = [image[row, column, channel] for image in images]
        assert np.array_equal(pixels, raw[:, 1 + channel * 1024 + row * 32 + column])


def test_the_archive_is_downloaded_when_none_is_given(tmp_path, monkeypatch):
    path = _archive(tmp_path / "a.tar.gz", _contents())
    asked = []

    def fetch(*arguments):
        asked.append(arguments)
        return path

    monkeypatch.setattr(cifar10, "fetch", fetch)
    Cifar10(None, URL, sha256_of(path), str(tmp_path / "d")).open().close()
    assert asked == [(URL, sha256_of(path), tmp_path / "d")]


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(DataError, match=r"dataset.archive .*none.tar.gz is not a file\n  received: nothing"):
        Cifar10(str(tmp_path / "none.tar.gz"), URL, "0" * 64).open()


def test_a_wrong_hash_names_both(tmp_path):
    path = _archive(tmp_path / "a.tar.gz", _contents())
    with pytest.raises(DataError, match=rf"a.tar.gz .*SHA-256 differs\n  received: {sha256_of(path)}\n  expected: 0"):
        Cifar10(str(path), URL, "0" * 64).open()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({NAMES[2]: b"1" * (RECORD + 5)}, r"data_batch_3.bin does not hold whole records\n  received: 3078 bytes"),
        ({NAMES[5]: b""}, r"test_batch.bin does not hold whole records\n  received: 0 bytes"),
        ({NAMES[1]: None}, r"lacks .*data_batch_2.bin\n  received: a link or special file"),
    ],
)
def test_a_member_that_holds_no_records_is_refused(tmp_path, change, message):
    path = _archive(tmp_path / "a.tar.gz", _contents() | change)
    with pytest.raises(DataError, match=message):
        _open(path)


def test_another_archive_is_refused(tmp_path):
    path = _archive(tmp_path / "a.tar.gz", {"cifar-10-batches-py/data_batch_1": b"pickles"})
    with pytest.raises(DataError, match=r"lacks .*data_batch_1.bin\n(.|\n)*not the Python or Matlab version"):
        _open(path)


def test_an_unknown_label_names_the_record(tmp_path):
    records = bytearray(_records(0))
    records[299 * RECORD] = 10
    path = _archive(tmp_path / "a.tar.gz", _contents() | {NAMES[0]: bytes(records)})
    with (
        _open(path) as opened,
        pytest.raises(DataError, match=r"data_batch_1.bin, record 299 has no such class\n  received: label 10"),
    ):
        list(opened.read("train"))


@pytest.mark.parametrize("length", [20, 1_000_000])
def test_a_truncated_archive_is_refused(tmp_path, length):
    path = _archive(tmp_path / "a.tar.gz", _contents())
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"a.tar.gz cannot be read as a .tar.gz"):
        _open(path)


@pytest.mark.parametrize(
    ("url", "sha256", "message"),
    [
        (URL, "c32a1d4ab5d03f1284b67883e8d87530", "dataset.sha256 is not a SHA-256"),
        ("file:///etc/passwd", "0" * 64, "dataset.url is not the address of a file"),
        ("https://example.org/", "0" * 64, "dataset.url is not the address of a file"),
    ],
)
def test_bad_values_are_refused(url, sha256, message):
    with pytest.raises(ConfigError, match=message):
        Cifar10(None, url, sha256)
