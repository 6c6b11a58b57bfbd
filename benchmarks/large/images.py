"""A zip of synthetic images, train/CLASS/ and test/CLASS/: `python -m benchmarks.large images OUT.zip`.

Each class is a random pattern of large coloured fields; its images differ in brightness, in place and by noise. The
same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from roundoff.dataset.base import Images
from roundoff.system.files import whole_file

FIELDS, SIZE, ROOM, NOISE, CONTRAST, QUALITY = 7, 224, 2, 4.0, 0.05, 95
"""Fields on a side; pixels of an image; pixels by which it is moved; grey levels of noise; JPEG's quality."""


def pattern(label: int) -> Images:
    """The pattern of a class: uint8 [SIZE + ROOM, SIZE + ROOM, 3]."""
    fields = np.random.default_rng([label, 0]).integers(0, 256, (FIELDS, FIELDS, 3), np.uint8)
    return np.asarray(Image.fromarray(fields).resize((SIZE + ROOM,) * 2, Image.Resampling.BICUBIC))


def images(label: int, split: int, count: int) -> Iterator[Images]:
    """`count` images uint8 [SIZE, SIZE, 3] of a class; `split` is 0 for train, 1 for test."""
    random, whole = np.random.default_rng([label, 1 + split]), pattern(label).astype(np.float32)
    for _ in range(count):
        top, left = random.integers(0, ROOM + 1, 2)
        part = whole[top : top + SIZE, left : left + SIZE]
        contrast = 1 + CONTRAST * random.uniform(-1, 1)
        noisy = 128 + contrast * (part - 128) + NOISE * random.standard_normal(part.shape, np.float32)
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def write_zip(target: Path, classes: int, train: int, test: int) -> None:
    """Write the images of all classes as JPEG, `train` and `test` of each."""
    with whole_file(target) as partial, zipfile.ZipFile(partial, "w") as archive:
        for split, (name, count) in enumerate((("train", train), ("test", test))):
            for label in range(classes):
                for number, image in enumerate(images(label, split, count)):
                    archive.writestr(zipfile.ZipInfo(f"{name}/{label:04}/{number:03}.jpg"), _jpeg(image))


def _jpeg(image: Images) -> bytes:
    kept = io.BytesIO()
    Image.fromarray(image).save(kept, "JPEG", quality=QUALITY)
    return kept.getvalue()


def main(arguments: Sequence[str]) -> int:
    """Write the zip."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.large images", description=__doc__, formatter_class=style)
    parser.add_argument("out", type=Path)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--train", type=int, default=3, help="images of each class")
    parser.add_argument("--test", type=int, default=1, help="images of each class")
    chosen = parser.parse_args(arguments)
    write_zip(chosen.out, chosen.classes, chosen.train, chosen.test)
    return 0
