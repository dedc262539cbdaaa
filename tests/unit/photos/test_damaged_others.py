"""GIF, WebP, TIFF, HEIC, AVIF and BMP are not lost over a part that nobody needs."""

import re
import struct
import subprocess
import sys

import numpy as np
import pytest
from photos import encoded
from pictures import orientation
from PIL import Image
from places import HEIC

from fruits.errors import PhotoError
from fruits.photos.decode import rgb

MANY = 10**6
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
PALETTE = PICTURE.quantize(64)
HALF = PICTURE.convert("RGBA")
HALF.putalpha(Image.linear_gradient("L").resize(HALF.size))


def assert_intact(data: bytes, clean: bytes) -> None:
    np.testing.assert_array_equal(np.asarray(rgb(data, MANY)), np.asarray(rgb(clean, MANY)))


# GIF -----------------------------------------------------------------------------------------

GIFS = {
    "still": encoded(PALETTE, "GIF"),
    "interlaced": encoded(PALETTE, "GIF", interlace=1),
    "grey": encoded(PICTURE.convert("L"), "GIF"),
    "transparent": encoded(PALETTE, "GIF", transparency=3),
    "animated": encoded(
        PALETTE, "GIF", save_all=True, append_images=[PICTURE.rotate(180).quantize(64)]
    ),
}
EXTENSIONS = (
    b"!\xfe\x05he",
    b"!\xfe",
    b"!\xfe\x00",  # empty, which is valid, but Pillow then reads on in what follows
    b"!\xfe\xff" + b"x" * 30,
    b"!\xff\x0bNETSCAPE2.0\x03\x01",
    b"!\xff\x0bNETSCAPE2.0\x00",
    b"!\xff\x0b",
    b"!\x01\x0c\0\0",
    b"!",
    b"\0\0\0",
    b"junk",
)
CONTROLS = (b"!\xf9\x04\0\0", b"!\xf9\x04\0\0\0\0", b"!\xf9\x00", b"!\xf9\x01\x01\0")


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        (kind, extension)
        for kind in GIFS
        # Nobody knows which of two transparent colours is right.
        for extension in EXTENSIONS + (() if kind == "transparent" else CONTROLS)
    ],
)
def test_gif_with_a_damaged_extension(kind: str, extension: bytes) -> None:
    clean = GIFS[kind]
    at = 13 + (3 << (clean[10] & 7) + 1)
    assert_intact(clean[:at] + extension + clean[at:], clean)
    assert_intact(clean[:-1] + extension + b";", clean)


@pytest.mark.parametrize("kind", GIFS)
def test_gif_without_its_end(kind: str) -> None:
    clean = GIFS[kind]
    assert_intact(clean[:-1], clean)
    assert_intact(clean + b"something else", clean)


def test_gif_with_a_damaged_second_frame() -> None:
    clean = GIFS["animated"]
    second = clean.rindex(b"!\xf9")
    assert_intact(clean[: second + 10], clean)
    assert_intact(clean[: second + 8] + b"\xff" * 30, clean)


@pytest.mark.parametrize("kind", ["still", "interlaced", "grey", "transparent"])
def test_gif_without_all_of_its_picture_is_rejected(kind: str) -> None:
    for cut in (10, 100, 500):
        for end in (b"", b";", b"\0;"):
            with pytest.raises(PhotoError):
                rgb(GIFS[kind][:-cut] + end, MANY)


# WebP ----------------------------------------------------------------------------------------

EVERYTHING = {"exif": orientation(6), "xmp": b"<x/>", "icc_profile": b"abc" * 9}
WEBPS = {
    "lossy": encoded(PICTURE, "WEBP", **EVERYTHING),
    "lossless": encoded(PICTURE, "WEBP", lossless=True, **EVERYTHING),
    "transparent": encoded(HALF, "WEBP", **EVERYTHING),
    "animated": encoded(
        PICTURE, "WEBP", save_all=True, append_images=[PICTURE.rotate(180)], **EVERYTHING
    ),
    "simple": encoded(PICTURE, "WEBP"),
}


@pytest.mark.parametrize("kind", WEBPS)
def test_webp_with_a_wrong_size(kind: str) -> None:
    clean = WEBPS[kind]
    for size in (0, 4, len(clean) // 2, len(clean) - 9, len(clean) - 7, len(clean), 2**32 - 1):
        assert_intact(clean[:4] + struct.pack("<I", size) + clean[8:], clean)
    assert_intact(clean + b"junk", clean)


@pytest.mark.parametrize("size", [0, 1, 3, 100, 2**31, 2**32 - 1])
@pytest.mark.parametrize("name", [b"EXIF", b"XMP ", b"ICCP"])
@pytest.mark.parametrize("kind", ["lossy", "lossless", "transparent", "animated"])
def test_webp_with_a_wrong_size_of_metadata(kind: str, name: bytes, size: int) -> None:
    clean = WEBPS[kind]
    at = clean.index(name) + 4
    assert_intact(clean[:at] + struct.pack("<I", size) + clean[at + 4 :], clean)


def test_webp_without_padding() -> None:
    clean = WEBPS["lossy"]
    profile = clean.index(b"ICCP") + 8 + 27
    assert clean[profile] == 0
    assert_intact(clean[:profile] + clean[profile + 1 :], clean)


@pytest.mark.parametrize("kind", ["lossy", "lossless", "transparent"])
def test_webp_without_all_of_its_picture_is_rejected(kind: str) -> None:
    end = WEBPS[kind].index(b"EXIF")
    for cut in (2, 10, 50, 300):
        data = WEBPS[kind][: end - cut]
        for size in (struct.pack("<I", len(data) - 8), WEBPS[kind][4:8]):
            with pytest.raises(PhotoError, match="truncated"):
                rgb(data[:4] + size + data[8:], MANY)


# TIFF ----------------------------------------------------------------------------------------

MORE: dict[str, object] = {
    "icc_profile": b"abcd" * 40,
    "dpi": (72, 72),
    "software": "some long name of a program",
    "description": "some long description of it",
    "exif": orientation(6),
}
TIFFS = {
    "raw": encoded(PICTURE, "TIFF", **MORE),
    "LZW": encoded(PICTURE, "TIFF", compression="tiff_lzw", **MORE),
    "fax": encoded(PICTURE.convert("1"), "TIFF", compression="group4", **MORE),
    "BigTIFF": encoded(PICTURE, "TIFF", big_tiff=True, **MORE),
    "two pages": encoded(
        PICTURE, "TIFF", save_all=True, append_images=[PICTURE.rotate(180)], **MORE
    ),
}


def directory(data: bytes) -> tuple[int, int, int]:
    """Offset, number and size of the entries of the first directory."""
    if data[2] == 43:
        at = struct.unpack_from("<Q", data, 8)[0]
        return at + 8, struct.unpack_from("<Q", data, at)[0], 20
    at = struct.unpack_from("<I", data, 4)[0]
    return at + 2, struct.unpack_from("<H", data, at)[0], 12


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("type", kind) for kind in (b"\xff\xff", b"\0\0", b"\2\0", b"\5\0", b"\x0c\0")),
        *(("count", count) for count in (bytes(4), b"\xff\xff\xff\x7f", b"\x77\1\0\0")),
        *(("value", offset) for offset in (bytes(4), b"\xff\xff\xff\xff", b"\x09\0\0\0")),
    ],
)
@pytest.mark.parametrize("kind", TIFFS)
def test_tiff_with_a_damaged_tag(kind: str, field: str, value: bytes) -> None:
    clean = TIFFS[kind]
    start, count, size = directory(clean)
    damaged = 0
    for at in range(start, start + count * size, size):
        if struct.unpack_from("<H", clean, at)[0] in (270, 282, 283, 305, 34675):
            place = at + {"type": 2, "count": 4, "value": size - size // 3}[field]
            assert_intact(clean[:place] + value + clean[place + len(value) :], clean)
            damaged += 1
    assert damaged == 5


@pytest.mark.parametrize("kind", TIFFS)
def test_tiff_with_a_damaged_second_page(kind: str) -> None:
    clean = TIFFS[kind]
    start, count, size = directory(clean)
    after = start + count * size
    for place in (b"\xff\xff\xff\xff", b"\x09\0\0\0", struct.pack("<I", len(clean) - 3)):
        assert_intact(clean[:after] + place + clean[after + 4 :], clean)
    if kind == "two pages":
        assert_intact(clean[:-300], clean)


# HEIC, AVIF, BMP -----------------------------------------------------------------------------

AVIF = encoded(PICTURE, "AVIF", exif=orientation(6), xmp=b"<x/>")


@pytest.mark.parametrize("clean", [HEIC.read_bytes(), AVIF], ids=["HEIC", "AVIF"])
def test_heic_and_avif_with_damaged_metadata(clean: bytes) -> None:
    assert_intact(clean + b"something else", clean)
    items = clean.index(b"iloc")
    (last,) = struct.unpack(">I", clean[items + 4 : items + 4 + 4])  # version, flags
    assert last == 0
    for found in re.finditer(rb"II\*\0|MM\0\*|<x", clean):
        end = found.end()
        assert_intact(clean[: found.start()] + b"\xff" * (end - found.start()) + clean[end:], clean)
    with pytest.raises(PhotoError):
        rgb(clean[: len(clean) // 2], MANY)


def test_heic_whose_exif_is_cut_off() -> None:
    clean = HEIC.read_bytes()
    assert_intact(clean[:-20], clean)


def test_heic_whose_metadata_has_no_readable_type_does_not_end_the_process() -> None:
    """pi-heif 1.4 crashes when it reads such metadata, and would take a worker's photos with it."""
    clean = HEIC.read_bytes()
    data = clean.replace(b"Exif\0\0\0\0", b"\x7f\xff\xff\xff\0\0\0\0", 1)
    assert data != clean
    code = "import sys; from fruits.photos.decode import rgb; rgb(sys.stdin.buffer.read(), 10**6)"
    ran = subprocess.run([sys.executable, "-c", code], input=data, check=False, timeout=100)
    assert ran.returncode == 0
    assert_intact(data, clean)


@pytest.mark.parametrize("brand", [b"MiHE", b"miaf", b"heix", b"mif1"])
def test_heic_of_other_brands(brand: bytes) -> None:
    """Cameras name a profile of the format (ISO 23008-12) before the brands that it includes."""
    clean = HEIC.read_bytes()
    assert b"heic" in clean[16:32]
    assert_intact(clean[:8] + brand + clean[12:], clean)


def test_bmp_with_a_wrong_file_size() -> None:
    clean = encoded(PICTURE, "BMP")
    assert_intact(clean[:2] + bytes(4) + clean[6:] + b"something else", clean)
