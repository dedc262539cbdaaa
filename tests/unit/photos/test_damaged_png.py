"""A PNG is not lost over a part that nobody needs; without all of its pixels it is rejected."""

import struct
import zlib

import numpy as np
import pytest
from photos import encoded
from pictures import chunk, orientation
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import prepare, rgb

MANY = 10**6
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
PNG = encoded(PICTURE, "PNG", exif=orientation(6))
UPRIGHT = np.asarray(PICTURE.transpose(Image.Transpose.ROTATE_270))
HEADER_END, TEXT = 33, zlib.compress(b'{"workflow": [1, 2, 3]}' * 100_000)
ANCILLARY = (
    b"tEXt zTXt iTXt iCCP tIME pHYs cHRM sRGB bKGD gAMA hIST sBIT sPLT acTL fcTL fdAT cICP abCd"
).split()
PLACES = {"first": HEADER_END, "before IDAT": PNG.index(b"IDAT") - 4, "last": len(PNG) - 12}


def with_part(part: bytes, at: int, data: bytes = PNG) -> bytes:
    return data[:at] + part + data[at:]


def assert_intact(data: bytes) -> None:
    np.testing.assert_array_equal(np.asarray(rgb(data, MANY)), UPRIGHT)
    np.testing.assert_array_equal(prepare(data, MANY), prepare(PNG, MANY))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "part",
    [
        chunk(b"zTXt", b"workflow\0\0" + TEXT),
        chunk(b"iTXt", b"workflow\0\1\0\0\0" + TEXT),
        chunk(b"iTXt", b"workflow\0\0\0\0\0" + b"x" * 2**21),
        chunk(b"tEXt", b"workflow\0" + b"x" * 70 * 2**20),
    ],
    ids=["zTXt", "iTXt, compressed", "iTXt", "tEXt"],
)
def test_png_with_megabytes_of_text(place: str, part: bytes) -> None:
    assert_intact(with_part(part, PLACES[place]))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ANCILLARY)
@pytest.mark.parametrize("content", [b"", b"\0", b"a\0\0", b"a\0\5xyz", b"\xff" * 40])
def test_png_with_a_damaged_ancillary_chunk(place: str, name: bytes, content: bytes) -> None:
    good = chunk(name, content)
    for part in (good, good[:-4] + b"\0\0\0\1"):  # content that means nothing; a wrong checksum
        assert_intact(with_part(part, PLACES[place]))


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("length", [0, 3, 17, 19, 60, 1000, 2**31, 2**32 - 1])
@pytest.mark.parametrize("name", [b"tEXt", b"iCCP", b"eXIf", b"pHYs", b"abCd"])
def test_png_with_a_wrong_length_of_an_ancillary_chunk(
    place: str, length: int, name: bytes
) -> None:
    part = struct.pack(">I", length) + chunk(name, b"eighteen bytes ...")[4:]
    assert_intact(with_part(part, PLACES[place]))


def test_png_with_chunks_in_the_wrong_order() -> None:
    start, end = PNG.index(b"IDAT") - 4, len(PNG) - 12
    pixels = PNG[start + 8 : end - 4]
    halves = chunk(b"IDAT", pixels[:3000]) + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", pixels[3000:])
    assert_intact(PNG[:start] + halves + PNG[end:])
    palette = PICTURE.quantize(16)
    data = encoded(palette, "PNG", transparency=3)
    colours, clear = (data.index(name) - 4 for name in (b"PLTE", b"tRNS"))
    swapped = data[:colours] + data[clear : clear + 16] + data[colours:clear] + data[clear + 16 :]
    np.testing.assert_array_equal(np.asarray(rgb(swapped, MANY)), np.asarray(rgb(data, MANY)))


@pytest.mark.parametrize("cut", [1, 4, 8, 12])
def test_png_without_its_end(cut: int) -> None:
    assert_intact(PNG[:-cut])
    assert_intact(PNG + b"something else" * 100)


ANIMATED = encoded(
    PICTURE, "PNG", save_all=True, append_images=[PICTURE.rotate(180)], exif=orientation(6)
)


@pytest.mark.parametrize("control", [b"", bytes(3), bytes(8), b"\xff" * 8])
def test_animated_png_with_damaged_control(control: bytes) -> None:
    at = ANIMATED.index(b"acTL") - 4
    assert_intact(ANIMATED[:at] + chunk(b"acTL", control) + ANIMATED[at + 20 :])


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.parametrize("control", [b"", bytes(4), b"\xff" * 26])
def test_animated_png_with_a_damaged_frame(which: str, control: bytes) -> None:
    at = (ANIMATED.index if which == "first" else ANIMATED.rindex)(b"fcTL") - 4
    assert_intact(ANIMATED[:at] + chunk(b"fcTL", control) + ANIMATED[at + 38 :])
    assert_intact(ANIMATED[: ANIMATED.rindex(b"fdAT") + 50])


@pytest.mark.parametrize("exif", [b"", b"\0", b"\xff" * 40])
def test_second_exif_that_is_damaged_hides_no_orientation(exif: bytes) -> None:
    for place in PLACES.values():
        assert_intact(with_part(chunk(b"eXIf", exif), place))


def test_orientation_is_kept_when_another_tag_of_exif_is_damaged() -> None:
    """Pillow's own turning gives up when it can't write the rest of EXIF again."""
    resolution = struct.pack(">HHII", 0x011A, 1, 1, 0xFFFFFFFF)  # a byte, not a rational
    turned = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"MM\0*\0\0\0\x08\0\2" + turned + resolution + bytes(4)
    for kind in ("PNG", "JPEG", "WEBP"):
        data = encoded(PICTURE, kind, exif=b"Exif\0\0" + exif)
        assert rgb(data, MANY).size == (40, 60)


@pytest.mark.parametrize("cut", [100, 1000, 3000])
def test_png_without_all_of_its_picture_is_rejected(cut: int) -> None:
    with pytest.raises(PhotoError, match="truncated"):
        rgb(PNG[:-cut], MANY)
    with pytest.raises(PhotoError, match="truncated"):
        rgb(with_part(chunk(b"zTXt", b"a\0\0" + TEXT), HEADER_END)[:-cut] + PNG[-12:], MANY)


def test_png_whose_palette_or_transparency_is_damaged_is_rejected() -> None:
    data = encoded(PICTURE.quantize(16), "PNG", transparency=3)
    for name in (b"IHDR", b"PLTE", b"tRNS"):
        at = data.index(name) + 4
        with pytest.raises(PhotoError, match="checksum"):
            rgb(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], MANY)


def test_repair_of_a_png_keeps_the_pixel_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # restored afterwards
    with pytest.raises(PhotoError, match="megapixels"):
        rgb(with_part(chunk(b"zTXt", b"a\0\0" + TEXT), HEADER_END), 60 * 40 - 1)
