"""A JPEG is not lost over a part that nobody needs; without all of its pixels it is rejected."""

import contextlib
from functools import cache

import numpy as np
import pytest
from photos import encoded
from pictures import orientation
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import prepare, rgb

MANY = 10**6
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8))
PICTURE = NOISE.resize((99, 70), Image.Resampling.BICUBIC)
KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "baseline": ("RGB", {}),
    "progressive": ("RGB", {"progressive": True}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
    "RGB": ("RGB", {"keep_rgb": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 3}),
    "restarts in rows": ("L", {"restart_marker_rows": 1}),
    "progressive with restarts": ("RGB", {"progressive": True, "restart_marker_blocks": 2}),
}


@cache
def jpeg(kind: str, turned: bool = False) -> bytes:
    mode, options = KINDS[kind]
    exif = {"exif": orientation(6)} if turned else {}
    return encoded(PICTURE.convert(mode), "JPEG", quality=90, **options, **exif)


def segment(marker: int, content: bytes, length: int | None = None) -> bytes:
    size = len(content) + 2 if length is None else length
    return bytes([0xFF, marker]) + size.to_bytes(2) + content


def assert_intact(data: bytes, clean: bytes) -> None:
    np.testing.assert_array_equal(np.asarray(rgb(data, MANY)), np.asarray(rgb(clean, MANY)))
    np.testing.assert_array_equal(prepare(data, MANY), prepare(clean, MANY))


SEGMENTS = {
    "short JFIF": (0xE0, b"JFIF\0"),
    "EXIF": (0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "XMP": (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x"),
    "empty MPF": (0xE2, b"MPF\0"),
    "MPF": (0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\0\0\7\0\0\0\4\0\0\0\0"),
    "ICC": (0xE2, b"ICC_PROFILE\0"),
    "part of ICC": (0xE2, b"ICC_PROFILE\0\1\5abc"),
    "Photoshop": (0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\2ab"),
    "short Adobe": (0xEE, b"Adobe"),
    "comment": (0xFE, b"\xff" * 99),
    "unknown": (0xEF, b""),
}


@pytest.mark.parametrize("kind", ["baseline", "progressive", "grey", "CMYK", "RGB"])
@pytest.mark.parametrize(
    ("name", "turned"),
    # Two EXIF segments are one block, of which the first part would be damaged.
    [
        (name, turned)
        for name in SEGMENTS
        for turned in (False, True)
        if name != "EXIF" or not turned
    ],
)
def test_jpeg_with_a_damaged_segment(name: str, kind: str, turned: bool) -> None:
    marker, content = SEGMENTS[name]
    clean = jpeg(kind, turned)
    assert_intact(clean[:2] + segment(marker, content) + clean[2:], clean)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 30_000, 65_535])
@pytest.mark.parametrize("name", ["XMP", "ICC", "comment", "unknown"])
@pytest.mark.parametrize("kind", ["baseline", "progressive", "CMYK"])
def test_jpeg_with_a_wrong_length_of_a_segment(kind: str, name: str, length: int) -> None:
    marker, content = SEGMENTS[name]
    for clean in (jpeg(kind), jpeg(kind, turned=True)):
        assert_intact(clean[:2] + segment(marker, content, length) + clean[2:], clean)


THUMBNAIL = encoded(Image.new("RGB", (40, 30), "red"))


@pytest.mark.parametrize("length", [None, 0, 5, 30_000])
def test_thumbnail_in_a_damaged_segment_is_not_taken_for_the_photo(length: int | None) -> None:
    clean, part = jpeg("baseline"), b"Exif\0\0" + orientation(1).tobytes()[6:] + THUMBNAIL
    assert_intact(clean[:2] + segment(0xE1, part, length) + clean[2:], clean)
    for rest in (b"", bytes(3000), clean[2:200]):
        with pytest.raises(PhotoError):
            rgb(clean[:2] + segment(0xE1, part, length) + rest, MANY)


def test_mpo_with_a_damaged_directory_or_second_picture() -> None:
    clean = encoded(PICTURE, "MPO", save_all=True, append_images=[PICTURE.rotate(180)])
    start = clean.index(b"MPF\0")
    for at in range(start + 4, start + 60, 2):
        assert_intact(clean[:at] + bytes([clean[at] ^ 255]) + clean[at + 1 :], clean)
    assert_intact(clean[: len(clean) * 3 // 4], clean)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_that_lacks_only_its_end_marker(kind: str, turned: bool) -> None:
    clean = jpeg(kind, turned)
    for data in (clean[:-2], clean[:-1], clean[:-2] + bytes(500), clean + bytes(500)):
        assert_intact(data, clean)


@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_cut_anywhere_is_whole_or_rejected(kind: str) -> None:
    """Never a picture whose lower part, or finer detail, was made up."""
    clean = jpeg(kind)
    expected = np.asarray(rgb(clean, MANY))
    kept = 0
    for length in range(len(clean) // 2, len(clean) - 2):
        with contextlib.suppress(PhotoError):
            np.testing.assert_array_equal(np.asarray(rgb(clean[:length], MANY)), expected)
            kept += 1
    assert kept < 5


@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_that_ends_in_zeros_is_rejected(kind: str) -> None:
    """As of an interrupted download: zeros are valid image data."""
    clean = jpeg(kind)
    for share in (0.5, 0.8, 0.95):
        cut = int(share * len(clean))
        with pytest.raises(PhotoError, match="truncated"):
            rgb(clean[:cut] + bytes(len(clean)), MANY)


def test_scaled_decoding_of_a_large_jpeg_without_end_marker() -> None:
    clean = encoded(PICTURE.resize((1800, 1200)), "JPEG")
    np.testing.assert_array_equal(prepare(clean[:-2], 10**7), prepare(clean, 10**7))
    with pytest.raises(PhotoError, match="truncated"):
        prepare(clean[:-9], 10**7)
