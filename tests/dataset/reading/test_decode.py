"""Images come upright, opaque and in 8 bits, or are refused in words."""

import io

import numpy as np
import pytest
from PIL import Image

from roundoff.dataset.reading import decode
from roundoff.dataset.reading.decode import decoded

NOISE = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_an_image_of_the_right_size_is_left_alone():
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(NOISE)), 64, 48, 3), NOISE)


def test_height_and_width_are_not_mixed_up():
    assert decoded(encoded(Image.fromarray(NOISE)), 12, 20, 3).shape == (12, 20, 3)


@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, -1), (8, 1)])
def test_exif_orientation_is_applied(orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decoded(encoded(Image.fromarray(NOISE), exif=exif), *np.rot90(NOISE, turn).shape)
    np.testing.assert_array_equal(found, np.rot90(NOISE, turn))


def test_exif_orientation_is_applied_to_a_transparent_image_too():
    exif = Image.Exif()
    exif[0x0112] = 3
    layered = Image.fromarray(NOISE).convert("RGBA")
    np.testing.assert_array_equal(decoded(encoded(layered, exif=exif), 64, 48, 3), np.rot90(NOISE, 2))


def test_what_shines_through_is_white():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0] = (200, 0, 0, 255)
    pixels[1] = (200, 0, 0, 0)
    found = decoded(encoded(Image.fromarray(pixels)), 2, 2, 3)
    np.testing.assert_array_equal(found[:, 0], [[200, 0, 0], [255, 255, 255]])
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([10, 20, 30])
    np.testing.assert_array_equal(decoded(encoded(palette, transparency=0), 2, 2, 3), np.full((2, 2, 3), 255))


def test_gray_stays_gray_and_colour_becomes_it():
    gray = NOISE[..., 0]
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(gray)), 64, 48, 1)[..., 0], gray)
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(gray)), 64, 48, 3), np.repeat(gray[..., None], 3, 2))
    wanted = np.asarray(Image.fromarray(NOISE).convert("L"))
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(NOISE)), 64, 48, 1)[..., 0], wanted)


def deep_rgb_png():
    """Pillow writes none: IHDR says 16 bits per channel, and a row of 2 pixels is 12 bytes and a filter."""
    import struct
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    data = zlib.compress(b"\0" + bytes(range(12)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [
        deep_rgb_png(),
        b"P6 2 1 65535\n" + bytes(12),
        b"P5 2 1 65535\n" + bytes(4),
        encoded(Image.new("I;16", (2, 2), 900)),
        encoded(Image.new("I;16", (2, 2), 900), "TIFF"),
        encoded(Image.new("F", (2, 2), 0.5), "TIFF"),
    ],
    ids=["RGB PNG", "PPM", "PGM", "gray PNG", "TIFF", "float TIFF"],
)
def test_more_than_8_bits_are_refused(content):
    with pytest.raises(ValueError, match="convert to 8 bits"):
        decoded(content, 2, 2, 3)


def test_too_many_pixels_are_refused_before_decoding():
    header = b"P6 10000 10000 255\n"  # and no pixel
    with pytest.raises(ValueError, match="10000 × 10000 are 100 million pixels, more than 50 million; resize it"):
        decoded(header, 8, 8, 3)
    assert decode.MOST_PIXELS == 50_000_000


def test_a_jpeg_whose_data_ends_early_is_found():
    whole = encoded(Image.fromarray(NOISE), "JPEG", quality=90)
    assert decoded(whole, 64, 48, 3).shape == (64, 48, 3)
    half = whole[: len(whole) // 2]
    for content in (half + b"\xff\xd9", half + bytes(len(whole) - len(half)), half):
        with pytest.raises((ValueError, OSError), match=r"cut off|truncated"):
            decoded(content, 64, 48, 3)
    with pytest.raises(ValueError, match=r"cut off: its last \d+ of 64 rows are the gray of missing data"):
        decoded(half + b"\xff\xd9", 64, 48, 3)
    with pytest.raises(ValueError, match=r"cut off: its last \d+ bytes are zeros"):
        decoded(half + bytes(len(whole) - len(half)), 64, 48, 3)


def test_a_jpeg_that_is_gray_by_itself_is_whole():
    decoded(encoded(Image.new("RGB", (64, 64), (128, 128, 128)), "JPEG"), 64, 64, 3)
    whole = encoded(Image.fromarray(NOISE), "JPEG")
    assert decoded(whole + bytes(200), 64, 48, 3).shape == (64, 48, 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_a_jpeg_with_a_part_that_was_never_written_is_found(options):
    noise = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), "JPEG", quality=90, **options)
    third = len(whole) // 3
    for content in (
        whole[:third] + bytes(third) + whole[2 * third :],
        whole[: 2 * third] + bytes(third - 2) + whole[-2:],
    ):
        with pytest.raises(ValueError, match=r"hole: \d+ bytes of its data are zeros|cut off"):
            decoded(content, 64, 48, 3)


def test_a_plain_surface_may_be_coded_as_zeros():
    whole = encoded(Image.new("RGB", (1024, 1024), (90, 120, 30)), "JPEG", optimize=True)
    assert bytes(512) in whole
    np.testing.assert_allclose(decoded(whole, 8, 8, 3)[0, 0], (90, 120, 30), atol=2)


def test_of_several_frames_the_first_is_taken():
    pages = encoded(Image.fromarray(NOISE), "TIFF", save_all=True, append_images=[Image.new("RGB", (48, 64))])
    np.testing.assert_array_equal(decoded(pages, 64, 48, 3), NOISE)
