"""What `read_slice` accepts, what it refuses and what it says then; what is written comes back."""

from __future__ import annotations

import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from maskloom.platform.imaging.formats import (
    BadImage,
    decode_grey8,
    encode_png,
    read_slice,
    resize,
    to_grey8,
)
from support.images import grey_slice, png, png_chunks, png_header, saved

GREY = grey_slice()
DEEP = GREY.astype(np.uint16) * 257
RGB = np.dstack([GREY] * 3)
PIXELS = (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in GREY)))
END = (b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "name", "bits", "media_type"),
    [
        (saved(GREY, "PNG"), "a.png", 8, "image/png"),
        (saved(DEEP, "PNG"), "a.PNG", 16, "image/png"),
        (encode_png(GREY), "volume/a.png", 8, "image/png"),
        (encode_png(DEEP), "a.png", 16, "image/png"),
        (saved(GREY, "PNG"), "no-ending", 8, "image/png"),
    ],
)
def test_png_comes_back_exactly(data: bytes, name: str, bits: int, media_type: str) -> None:
    decoded = read_slice(data, name)
    expected = GREY if bits == 8 else DEEP
    assert decoded.pixels.dtype == expected.dtype
    assert np.array_equal(decoded.pixels, expected)
    assert (decoded.width, decoded.height, decoded.bits, decoded.media_type) == (40, 48, bits, media_type)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"restart_marker_blocks": 2},
        {"quality": 60},
        {"comment": b"from the scanner"},
    ],
)
def test_jpeg_is_read_as_pillow_reads_it(options: dict[str, object]) -> None:
    data = saved(GREY, "JPEG", **options)
    decoded = read_slice(data, "a.jpeg")
    assert decoded.bits == 8
    assert decoded.media_type == "image/jpeg"
    assert np.abs(decoded.pixels.astype(int) - GREY).mean() < 12
    assert np.array_equal(decoded.pixels, decode_grey8(data))


def test_orientation_in_metadata_is_not_applied() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = saved(GREY, "JPEG", exif=turned)
    assert read_slice(data, "a.jpg").pixels.shape == GREY.shape
    assert np.array_equal(read_slice(data, "a.jpg").pixels, decode_grey8(data))


def test_interlaced_and_annotated_png_is_read() -> None:
    text = (b"tEXt", b"Comment\0from the scanner")
    assert np.array_equal(read_slice(png(png_header(40, 48), text, PIXELS, END), "a.png").pixels, GREY)
    every_eighth = [GREY[0::8, 0::8], GREY[0::8, 4::8], GREY[4::8, 0::4], GREY[0::4, 2::4]]
    passes = [*every_eighth, GREY[2::4, 0::2], GREY[0::2, 1::2], GREY[1::2, :]]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part)
    interlaced = png(png_header(40, 48, interlaced=1), (b"IDAT", zlib.compress(rows)), END)
    assert np.array_equal(read_slice(interlaced, "a.png").pixels, GREY)


JPEG = saved(GREY, "JPEG")
PNG = saved(GREY, "PNG")
JPEG_FRAME = JPEG.index(b"\xff\xc0")


def jpeg_of_size(width: int, height: int) -> bytes:
    return JPEG[: JPEG_FRAME + 5] + struct.pack(">HH", height, width) + JPEG[JPEG_FRAME + 9 :]


BAD = {
    "empty": (b"", "a.png", "empty"),
    "text": (b"not an image at all", "a.png", "not PNG or JPEG"),
    "gif": (saved(GREY, "GIF"), "a.gif", "not PNG or JPEG"),
    "magic alone": (PNG[:8], "a.png", "cut short"),
    "jpeg named png": (JPEG, "a.png", r"ends in \.png but the file is a JPEG"),
    "png named jpg": (PNG, "a.jpg", r"ends in \.jpg but the file is a PNG"),
    "cut png": (PNG[: len(PNG) // 2], "a.png", "cut short"),
    "png without its last byte": (PNG[:-1], "a.png", "cut short"),
    "png without end": (png(png_header(40, 48), PIXELS), "a.png", "cut short"),
    "cut jpeg": (JPEG[: len(JPEG) // 2], "a.jpg", "cut short"),
    "jpeg without end": (JPEG[:-2], "a.jpg", "cut short"),
    "cut jpeg header": (JPEG[:20], "a.jpg", "cut short"),
    "flipped bit in png": (PNG[:-30] + bytes([PNG[-30] ^ 1]) + PNG[-29:], "a.png", "checksum"),
    "png rows missing": (
        png(png_header(40, 48), (b"IDAT", zlib.compress(b"\0" * 41 * 20)), END),
        "a.png",
        "fewer pixels",
    ),
    "png without pixels": (png(png_header(40, 48), END), "a.png", "fewer pixels"),
    "png with noise for pixels": (png(png_header(40, 48), (b"IDAT", b"noise"), END), "a.png", "cannot be"),
    "png with a wrong filter": (
        png(png_header(40, 48), (b"IDAT", zlib.compress(b"\7" * 41 * 48)), END),
        "a.png",
        "cannot be decoded",
    ),
    "interlaced png rows missing": (
        png(png_header(40, 48, interlaced=1), (b"IDAT", zlib.compress(b"\0" * 41 * 48)), END),
        "a.png",
        "fewer pixels",
    ),
    "png without header": (png(PIXELS, END), "a.png", "begin with one valid header"),
    "png of two headers": (
        png(png_header(40, 48), png_header(99, 99), PIXELS, END),
        "a.png",
        "begin with one valid header",
    ),
    "png of no valid depth": (png(png_header(40, 48, bits=7), PIXELS, END), "a.png", "cannot be decoded"),
    "png bomb": (png(png_header(60000, 60000), PIXELS, END), "a.png", "60000 x 60000"),
    "jpeg bomb": (jpeg_of_size(65000, 65000), "a.jpg", "65000 x 65000"),
    "png of no size": (png(png_header(0, 48), PIXELS, END), "a.png", "0 x 48"),
    "jpeg of no size": (jpeg_of_size(40, 0), "a.jpg", "40 x 0"),
    "a line": (saved(np.zeros((1, 900), np.uint8), "PNG"), "a.png", "900 x 1 "),
    "rgb png": (saved(RGB, "PNG"), "a.png", "RGB colour"),
    "rgb jpeg": (saved(RGB, "JPEG"), "a.jpg", "colour"),
    "cmyk jpeg": (saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "a.jpg", "colour"),
    "palette": (saved(Image.fromarray(GREY).convert("P"), "PNG"), "a.png", "palette"),
    "alpha": (saved(np.dstack([GREY] * 4), "PNG"), "a.png", "transparency"),
    "grey and alpha": (saved(np.dstack([GREY] * 2), "PNG"), "a.png", "transparency"),
    "transparent grey": (png(png_header(40, 48), (b"tRNS", b"\0\0"), PIXELS, END), "a.png", "transparen"),
    "one bit": (saved(GREY > 100, "PNG"), "a.png", "1 bit"),
    "animated": (
        saved(GREY, "PNG", save_all=True, append_images=[Image.fromarray(GREY[::-1].copy())]),
        "a.png",
        "animation",
    ),
    "12-bit jpeg": (JPEG[: JPEG_FRAME + 4] + b"\x0c" + JPEG[JPEG_FRAME + 5 :], "a.jpg", "12 bits"),
    "lossless jpeg": (JPEG.replace(b"\xff\xc0", b"\xff\xc3", 1), "a.jpg", "rare kind"),
    "jpeg of a thousand scans": (
        JPEG[:-2] + JPEG[JPEG.index(b"\xff\xda") : -2] * 1000 + JPEG[-2:],
        "a.jpg",
        "more than 100 scans",
    ),
}


@pytest.mark.parametrize(("data", "name", "said"), BAD.values(), ids=BAD.keys())
def test_bad_files_are_refused_with_what_to_do(data: bytes, name: str, said: str) -> None:
    with pytest.raises(BadImage, match=said) as refusal:
        read_slice(data, name)
    message = str(refusal.value)
    assert message.endswith(".")
    assert len(message) < 200


def test_no_bomb_is_unpacked() -> None:
    """256 MB of zeros behind an honest header, in a text chunk and in pixels nobody asked for."""
    squeezer = zlib.compressobj(9)
    parts = [squeezer.compress(bytes(1 << 24)) for _ in range(16)]
    zeros = b"".join([*parts, squeezer.flush()])
    text = (b"zTXt", b"Comment\0\0" + zeros)
    data = png(png_header(40, 48), text, (b"IDAT", zeros), END)
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoded = read_slice(data, "a.png")
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before
    assert not decoded.pixels.any()
    assert grown_kib < 50_000


def test_the_largest_slice_is_read() -> None:
    large = np.zeros((4096, 4096), np.uint8)
    assert read_slice(encode_png(large), "a.png").pixels.shape == (4096, 4096)


def test_encoding_is_deterministic_and_lossless() -> None:
    for pixels in (GREY, DEEP, GREY[:, ::2]):
        assert encode_png(pixels) == encode_png(pixels.copy())
        assert np.array_equal(read_slice(encode_png(pixels), "a.png").pixels, pixels)
    with pytest.raises(TypeError, match="float64"):
        encode_png(GREY / 255)


def test_twelve_bit_slices_use_the_whole_range() -> None:
    hounsfield = np.tile(np.arange(4000, dtype=np.uint16), (30, 1))
    hounsfield[0, :5] = 65535  # a few pixels of metal must not turn the rest black
    grey = decode_grey8(encode_png(hounsfield))
    assert grey.dtype == np.uint8
    assert grey[1, 0] == 0
    assert grey[1, -1] == 255
    assert abs(int(grey[1, 2000]) - 128) <= 1
    assert (np.diff(grey[1].astype(int)) >= 0).all()


def test_sixteen_bits_without_contrast_become_black() -> None:
    assert not to_grey8(np.full((20, 20), 700, np.uint16)).any()


def test_grey8_decodes_what_read_slice_accepts_and_refuses_the_rest() -> None:
    stray = png(png_header(40, 48), (b"fcTL", bytes(5)), PIXELS, (b"PLTE", bytes(7)), END)
    assert np.array_equal(decode_grey8(stray), read_slice(stray, "a.png").pixels)
    for data in (b"", PNG[:30], saved(RGB, "PNG")):
        with pytest.raises(BadImage):
            decode_grey8(data)


def test_resize_averages_down_and_interpolates_up() -> None:
    checkered = np.tile(np.array([[0, 200], [200, 0]], np.uint8), (16, 16))
    assert (resize(checkered, 16, 16) == 100).all()
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
    larger = resize(ramp, 64, 32)
    assert larger.shape == (64, 32)
    assert (np.diff(larger[0].astype(int)) >= 0).all()
    assert resize(ramp, 16, 16) is ramp


def test_helpers_split_files_as_they_build_them() -> None:
    assert png(*png_chunks(PNG)) == PNG
