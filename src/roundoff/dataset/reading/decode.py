"""One encoded image as 8-bit pixels, upright, without transparency; what would come out wrong is refused."""

from __future__ import annotations

import io
import re

import numpy as np
from PIL import Image, ImageFile, ImageOps

from roundoff.dataset.base import Images

# Only these of Pillow's decoders meet a stranger's file: others start programs, such as Ghostscript for EPS.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
MOST_PIXELS = 50_000_000
EMPTY_GRAY = 128  # what a JPEG decoder leaves where the data ends
LEAST_EMPTY = 1 / 8  # of an image's rows
LONG_TAIL = 64  # zeros at a file's end, as a download that broke off leaves them
ZEROS = re.compile(rb"\0{512,}")  # a disk's or a download's smallest part
LEAST_HOLE = 1 / 16  # of a JPEG's data
BLOCK, FLAT = 8, 12  # pixels of a JPEG's block on each side; grey levels within which one is smooth


def decoded(encoded: bytes, height: int, width: int, channels: int) -> Images:
    """Pixels uint8 [height, width, channels]; raises one of UNDECODABLE, in words.

    EXIF's orientation is applied, transparency laid over white, gray made of colour and colour of gray as `channels`
    (1 or 3) wants it; other sizes are resized (bilinear, aspect ratio not kept).
    """
    with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
        _refuse_large(image)
        _refuse_deep(image)
        is_jpeg = image.format == "JPEG"
        upright = ImageOps.exif_transpose(_opaque(image))
        if is_jpeg:
            _refuse_cut_off(encoded, image)
    wanted = upright.convert("L" if channels == 1 else "RGB")
    if wanted.size != (width, height):
        wanted = wanted.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(wanted).reshape(height, width, channels)


def _refuse_large(image: ImageFile.ImageFile) -> None:
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        raise ValueError(
            f"{image.width} × {image.height} are {pixels / 1e6:.0f} million pixels, more than "
            f"{MOST_PIXELS // 10**6} million; resize it"
        )


def _refuse_deep(image: ImageFile.ImageFile) -> None:
    """Pillow would drop half of the bits of some, and clip others."""
    deep = image.mode in {"I", "F"} or image.mode.startswith("I;")
    coded = [entry for tile in image.tile for entry in (tile[3] if isinstance(tile[3], tuple) else (tile[3],))]
    deep |= any(isinstance(entry, str) and ";16" in entry for entry in coded)
    deep |= any(isinstance(entry, int) and entry > 255 for entry in coded) and image.format == "PPM"
    if deep:
        raise ValueError(f"it has more than 8 bits per channel (Pillow mode {image.mode}); convert to 8 bits")


def _opaque(image: Image.Image) -> Image.Image:
    """The image without an alpha channel: what shines through is white."""
    if not image.has_transparency_data:
        return image
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
    opaque = Image.alpha_composite(white, layered).convert("RGB")
    opaque.info |= {key: value for key, value in image.info.items() if key == "exif"}
    return opaque


def _refuse_cut_off(encoded: bytes, image: Image.Image) -> None:
    """A JPEG whose data ends early decodes without a word: to gray, or to the last colour."""
    content = encoded.rstrip(b"\0")
    if len(encoded) - len(content) >= LONG_TAIL and not content.endswith(b"\xff\xd9"):
        raise ValueError(f"it is cut off: its last {len(encoded) - len(content)} bytes are zeros")
    _refuse_hole(encoded, image)
    pixels = np.asarray(image).reshape(image.height, -1)
    filled = np.flatnonzero((pixels != EMPTY_GRAY).any(axis=1))
    empty = image.height - 1 - filled[-1] if len(filled) else 0
    if empty >= max(8, LEAST_EMPTY * image.height):
        raise ValueError(f"it is cut off: its last {empty} of {image.height} rows are the gray of missing data")


def _refuse_hole(encoded: bytes, image: Image.Image) -> None:
    """Zeros in a JPEG's data, as a part that was never written leaves them, decode to noise.

    Only a smooth surface may be coded as zeros: in two bits for each block of each channel, or more.
    """
    data = _entropy_coded(encoded)
    hole = max((len(run.group()) for run in ZEROS.finditer(data)), default=0)
    if hole and hole >= LEAST_HOLE * len(data) and _smooth_blocks(image) < hole:
        raise ValueError(f"it has a hole: {hole} bytes of its data are zeros")


def _entropy_coded(encoded: bytes) -> bytes:
    """What follows a JPEG's headers, up to its end; cameras put other zeros before and behind."""
    at = 2
    while encoded[at : at + 1] == b"\xff" and encoded[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4])
    end = encoded.find(b"\xff\xd9", at)
    return encoded[at : end if end > 0 else None]


def _smooth_blocks(image: Image.Image) -> int:
    gray = np.asarray(image.convert("L"))
    whole = np.pad(gray, [(0, -length % BLOCK) for length in gray.shape], "edge")
    blocks = whole.reshape(whole.shape[0] // BLOCK, BLOCK, whole.shape[1] // BLOCK, BLOCK)
    return int((np.ptp(blocks, axis=(1, 3)) <= FLAT).sum())
