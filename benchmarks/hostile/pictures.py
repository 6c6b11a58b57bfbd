"""Encoded images, good and hostile, each with the pixels that it has to give, or None where it must be refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image

SIZE = 16
UNKNOWN = "either"  # refused or given with whatever pixels: a byte may be wrong in what nobody reads


@dataclass(frozen=True)
class Picture:
    """An encoded image, what was done to it, and its pixels uint8 [SIZE, SIZE, 3]; within `off` grey levels."""

    how: str
    content: bytes
    pixels: Any = None
    off: int = 0


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def smooth(random: Generator) -> Image.Image:
    """Colours that change slowly, which JPEG keeps well."""
    corner = random.integers(40, 200, 3)
    ramp = np.arange(SIZE)
    return Image.fromarray((corner + ramp[:, None, None] + 2 * ramp[None, :, None]).astype(np.uint8))


def pictures(random: Generator) -> Iterator[Picture]:
    """All of them."""
    image = smooth(random)
    yield from _kinds(image)
    yield from _turned(image)
    yield from _transparent(image)
    yield from _no_images()
    yield from _deep()
    yield from _large()
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        yield from _spoilt(kind, encoded(_detailed(random), kind), random)
    yield from _half_zero(random)


def _detailed(random: Generator) -> Image.Image:
    return Image.fromarray(random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))


def _kinds(image: Image.Image) -> Iterator[Picture]:
    pixels, gray = np.asarray(image), image.convert("L")
    for kind in ("PNG", "BMP", "TIFF", "PPM"):
        yield Picture(f"a {kind}", encoded(image, kind), pixels)
    yield Picture("a lossless WebP", encoded(image, "WEBP", lossless=True), pixels)
    yield Picture("a JPEG", encoded(image, "JPEG", quality=95), pixels, 8)
    yield Picture("a progressive JPEG", encoded(image, "JPEG", quality=95, progressive=True), pixels, 8)
    yield Picture("a CMYK JPEG", encoded(image.convert("CMYK"), "JPEG", quality=95), pixels, 8)
    yield Picture("a CMYK TIFF", encoded(image.convert("CMYK"), "TIFF"), pixels, 2)
    yield Picture("a LAB TIFF", encoded(Image.new("LAB", (SIZE, SIZE)), "TIFF"), UNKNOWN)
    yield Picture("a GIF", encoded(image, "GIF"), np.asarray(image.quantize().convert("RGB")), 16)
    for kind in ("PNG", "JPEG", "TIFF", "BMP"):
        yield Picture(f"a gray {kind}", encoded(gray, kind), np.repeat(np.asarray(gray)[..., None], 3, 2), 8)
    yield Picture("one bit per pixel", encoded(gray.convert("1"), "PNG"), np.asarray(gray.convert("1").convert("RGB")))
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})):
        moving = encoded(image, kind, save_all=True, append_images=[Image.new("RGB", (SIZE, SIZE))], **options)
        yield Picture(f"frames in a {kind}", moving, pixels, 16)


def _turned(image: Image.Image) -> Iterator[Picture]:
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    for orientation, turn in turns.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright = np.asarray(image if turn is None else image.transpose(turn))
        yield Picture(f"EXIF orientation {orientation}, PNG", encoded(image, "PNG", exif=exif), upright)
        yield Picture(
            f"EXIF orientation {orientation}, JPEG", encoded(image, "JPEG", quality=95, exif=exif), upright, 8
        )
    for wrong in (0, 9, 65535):
        exif[0x0112] = wrong
        yield Picture(f"EXIF orientation {wrong}", encoded(image, "PNG", exif=exif), np.asarray(image))
    for broken in (b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(30)):
        yield Picture(f"EXIF of {len(broken)} broken bytes", encoded(image, "JPEG", quality=95, exif=broken), UNKNOWN)


def _transparent(image: Image.Image) -> Iterator[Picture]:
    white = np.full((SIZE, SIZE, 3), 255, np.uint8)
    layered = image.convert("RGBA")
    layered.putalpha(0)
    for kind in ("PNG", "TIFF"):
        yield Picture(f"transparent {kind}", encoded(layered, kind), white)
    yield Picture("transparent WebP", encoded(layered, "WEBP", lossless=True), white)
    gray = image.convert("LA")
    gray.putalpha(0)
    yield Picture("transparent gray PNG", encoded(gray, "PNG"), white)
    palette = Image.new("P", (SIZE, SIZE), 0)
    palette.putpalette([10, 20, 30])
    for transparency in (0, bytes([0])):
        yield Picture(
            f"palette, {transparency!r} transparent", encoded(palette, "PNG", transparency=transparency), white
        )
    yield Picture("transparent GIF", encoded(palette, "GIF", transparency=0), white)
    yield Picture("palette", encoded(palette, "PNG"), np.full((SIZE, SIZE, 3), (10, 20, 30), np.uint8))


def _no_images() -> Iterator[Picture]:
    others = {
        "0 bytes": b"",
        "one byte": b"\xff",
        "zeros": bytes(4096),
        "text": b"no image at all\n",
        "HTML": b"<!DOCTYPE html><title>404</title>",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="8" height="8"/></svg>',
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(x) run\n",
        "a pickle": b"\x80\x04cos\nsystem\n(S'false'\ntR.",
        "a zip": b"PK\x03\x04" + bytes(60),
        "an executable": b"\x7fELF" + bytes(60),
        "a large-file pointer of git's": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "Photoshop": b"8BPS\0\x01" + bytes(30),
        "an icon": b"\0\0\x01\0\x01\0\x10\x10" + bytes(40),
        "FITS": b"SIMPLE  =                    T" + b" " * 2850,
    }
    for how, content in others.items():
        yield Picture(how, content)


def _deep() -> Iterator[Picture]:
    wide = Image.new("I;16", (SIZE, SIZE), 900)
    for kind in ("PNG", "TIFF"):
        yield Picture(f"16 bits, {kind}", encoded(wide, kind))
    yield Picture("floats, TIFF", encoded(Image.new("F", (SIZE, SIZE), 0.5), "TIFF"))
    yield Picture("16 bits, PPM", b"P6 16 16 65535\n" + bytes(2 * 3 * SIZE * SIZE))
    yield Picture("16 bits, PGM", b"P5 16 16 65535\n" + bytes(2 * SIZE * SIZE))
    yield Picture("16 bits, RGB PNG", png(SIZE, SIZE, 16, 2, zlib.compress((b"\0" + bytes(6 * SIZE)) * SIZE)))


def _large() -> Iterator[Picture]:
    """Bombs: few bytes that claim, or unpack to, many pixels."""
    yield Picture("169 million pixels, all there", png(13000, 13000, 8, 2, _zeros(13000 * (1 + 3 * 13000))))
    for wide, high in ((13000, 13000), (65535, 65535), (2**31 - 1, 1), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1), (0, 9)):
        yield Picture(f"a PNG that claims {wide} × {high}", png(wide, high, 8, 2, zlib.compress(bytes(100))))
        yield Picture(f"a PPM that claims {wide} × {high}", f"P6 {wide} {high} 255\n".encode() + bytes(100))
        head = struct.pack("<IiiHHIIiiII", 40, min(wide, 2**31 - 1), min(high, 2**31 - 1), 1, 24, 0, 0, 1, 1, 0, 0)
        yield Picture(
            f"a BMP that claims {wide} × {high}", b"BM" + struct.pack("<IHHI", 154, 0, 0, 54) + head + bytes(100)
        )
    yield Picture("a GIF that claims 65535 × 65535", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\0;")
    text = _zeros(100 << 20)
    for kind in (b"zTXt", b"iCCP"):
        bomb = _chunk(kind, b"a\0\0" + text)
        yield Picture(f"a PNG with 100 MB of {kind.decode()}", png(SIZE, SIZE, 8, 2, _blank(), bomb), UNKNOWN)


def _zeros(count: int) -> bytes:
    """So many zeros, compressed, a part at a time."""
    packer, part = zlib.compressobj(9), bytes(1 << 20)
    packed = [packer.compress(part[: min(len(part), count - at)]) for at in range(0, count, len(part))]
    return b"".join([*packed, packer.flush()])


def _blank() -> bytes:
    return zlib.compress((b"\0" + bytes(3 * SIZE)) * SIZE)


def png(width: int, height: int, bits: int, colours: int, data: bytes, more: bytes = b"") -> bytes:
    """A PNG of compressed rows, whatever its header claims; `more` are chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + more + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _spoilt(kind: str, whole: bytes, random: Generator) -> Iterator[Picture]:
    for share in (0.02, 0.1, 0.3, 0.6, 0.9):
        yield Picture(f"{share:.0%} of a {kind}", whole[: int(share * len(whole))])
    for _ in range(12):
        content = bytearray(whole)
        for at in random.integers(0, len(whole), random.integers(1, 6)):
            content[at] = random.integers(256)
        yield Picture(f"wrong bytes in a {kind}", bytes(content), UNKNOWN)
    yield Picture(f"bytes behind a {kind}", whole + random.bytes(200), UNKNOWN)


def _half_zero(random: Generator) -> Iterator[Picture]:
    """JPEGs of which a part was never written; only detail tells it from a plain surface."""
    noise = random.integers(0, 256, (320, 320, 3), dtype=np.uint8)
    for name, options in (("", {}), ("progressive ", {"progressive": True}), ("optimized ", {"optimize": True})):
        whole = encoded(Image.fromarray(noise), "JPEG", quality=90, **options)
        half, third = len(whole) // 2, len(whole) // 3
        yield Picture(f"the second half of a {name}JPEG zeros", whole[:half] + bytes(len(whole) - half))
        yield Picture(f"the same of a {name}JPEG, but for its end", whole[:half] + bytes(half - 2) + whole[-2:])
        hole = whole[:third] + bytes(third) + whole[2 * third :]
        yield Picture(f"the second third of a {name}JPEG zeros", hole)
    plain = encoded(Image.new("RGB", (512, 512), (90, 120, 30)), "JPEG", optimize=True)
    yield Picture(
        "a plain surface, whose data may be zeros", plain, np.full((SIZE, SIZE, 3), (90, 120, 30), np.uint8), 3
    )
