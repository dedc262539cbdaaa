"""Photos are turned upright, as their EXIF or their container says."""

import pytest
from photos import encoded
from pictures import COLOURS, MANY, assert_quarters, orientation, quarters
from places import HEIC

from fruits.errors import PhotoError
from fruits.photos.decode import prepare, rgb, thumbnail

AS_STORED = {1: "RGBY", 2: "GRYB", 3: "YBGR", 4: "BYRG", 5: "RBGY", 6: "GYRB", 7: "YGBR", 8: "BRYG"}
"""The order of the quarters in the file, by orientation (EXIF 2.3, tag 274)."""


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("value", AS_STORED)
def test_exif_orientation_is_applied(kind: str, value: int) -> None:
    image = quarters(AS_STORED[value], size=(60, 40) if value < 5 else (40, 60))
    picture = rgb(encoded(image, kind, exif=orientation(value)), MANY)
    assert_quarters(picture, *COLOURS.values(), tolerance=8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"II*\0\xff\xff\xff\xff" + bytes(range(256)), b"no TIFF header"])
def test_damaged_exif_is_ignored(kind: str, exif: bytes) -> None:
    picture = rgb(encoded(quarters(), kind, exif=b"Exif\0\0" + exif), MANY)
    assert_quarters(picture, *COLOURS.values(), tolerance=4)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_invalid_orientation_is_ignored(value: int) -> None:
    picture = rgb(encoded(quarters(), "PNG", exif=orientation(value)), MANY)
    assert_quarters(picture, *COLOURS.values())


def test_heic_is_turned_upright_and_its_thumbnail_has_no_metadata() -> None:
    data = HEIC.read_bytes()
    picture = rgb(data, 10**8)
    assert picture.size == (90, 120)  # taken with the phone on its side
    assert b"Maker" in data
    small = thumbnail(data, 64, 10**8)
    assert b"Maker" not in small
    assert prepare(data, 10**8).shape == (224, 224, 3)
    with pytest.raises(PhotoError):
        rgb(data[:900], 10**8)
