"""Small folders of images, in a directory or a zip file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from PIL import Image

from roundoff.dataset.image_folder import ImageFolder


def png_bytes(grey: int, size: int = 8, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (grey, 0, 255 - grey)).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def some_files() -> dict[str, bytes]:
    """Two classes, three training and two test images each; the grey tells the order."""
    names = [
        f"{split}/{name}/{index}.png"
        for split, count in (("train", 3), ("test", 2))
        for name in ("cat", "ant")
        for index in range(count)
    ]
    return {name: png_bytes(10 * position) for position, name in enumerate(names)}


def in_zip(root: Path, files: dict[str, bytes]) -> Path:
    path = root / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def open_folder(path: Path, size: int = 8):
    return ImageFolder(str(path), size).open()
