"""Photos are recognized by name, and decoded to the model's input, to views and to thumbnails."""

import io
from pathlib import Path

import numpy as np
import pytest
from photos import encoded
from pictures import COLOURS, MANY, orientation
from PIL import Image

from fruits.photos.decode import prepare, prepare_views, thumbnail
from fruits.photos.extensions import is_photo

# File names ----------------------------------------------------------------------------------


FAMILIAR = ["a.JPG", "é.jpeg", "a b.png", "a.WebP", "a.bmp", "a.gif", "a.tif", "a.TIFF", "a.b.avif"]
RARE = "HIF HEIC heics heifs avifs MPO jps jfif jif jfi pjpeg pjp apng pns dib ppm pgm pbm pnm"


@pytest.mark.parametrize("name", [*FAMILIAR, *(f"DSCF0001.{rare}" for rare in RARE.split())])
def test_photo_extensions_are_case_insensitive(name: str) -> None:
    assert is_photo(name)


# Camera raw files, whose preview is not the photo, and formats that docs/reference.md excludes.
EXCLUDED = "dng CR2 nef arw jp2 j2k tga pfm psd ico pdf mp4 thm"


@pytest.mark.parametrize(
    "name",
    [
        *("jpg", "a", "a.txt", "a.jpg.txt", "a.jpg ", "a.jpg~", "", "."),
        *(f"a.{extension}" for extension in EXCLUDED.split()),
    ],
)
def test_other_names_are_not_photos(name: str) -> None:
    assert not is_photo(name)


# Model input ---------------------------------------------------------------------------------

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8))


@pytest.mark.parametrize(
    "image",
    [
        NOISE,
        NOISE.resize((224, 224)),
        NOISE.resize((31, 300)),
        NOISE.resize((1, 1)),
        NOISE.convert("L"),
    ],
    ids=lambda image: f"{image.mode}-{image.width}x{image.height}",
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_prepare_computes_the_same_as_keras(image: Image.Image, kind: str) -> None:
    data = encoded(image, kind)
    with Image.open(io.BytesIO(data)) as opened:
        small = opened.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
    expected = np.asarray(small, np.float32)
    expected = expected / np.float32(127.5)
    expected = expected - np.float32(1)
    array = prepare(data, MANY)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(("colour", "value"), [("black", -1), ("white", 1)])
def test_prepare_scales_to_minus_one_to_one(colour: str, value: int) -> None:
    assert (prepare(encoded(Image.new("RGB", (60, 40), colour), "PNG"), MANY) == value).all()


# Thumbnails ----------------------------------------------------------------------------------

BANDS = Image.fromarray(
    np.repeat(np.array([[COLOURS[c] for c in "RGB"]], np.uint8), 40, axis=1).repeat(40, axis=0)
)


@pytest.mark.parametrize("turn", [1, 6])
def test_thumbnail_is_the_central_square(turn: int) -> None:
    small = thumbnail(encoded(BANDS, "PNG", exif=orientation(turn)), 32, MANY)
    with Image.open(io.BytesIO(small)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (32, 32))
        assert np.abs(np.asarray(image, int) - COLOURS["G"]).max() <= 8


WHERE = "48.8566 N, 2.3522 E"


def with_location(kind: str) -> bytes:
    """A picture with its location in every metadata field of the format."""
    exif = orientation(6)
    exif[0x010E] = WHERE
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{WHERE}</x:xmpmeta>".encode()
    places: dict[str, dict[str, object]] = {
        "JPEG": {"exif": exif, "xmp": xmp, "comment": WHERE, "icc_profile": WHERE.encode()},
        "PNG": {"exif": exif, "icc_profile": WHERE.encode()},
        "WEBP": {"exif": exif, "xmp": xmp, "icc_profile": WHERE.encode()},
        "GIF": {"comment": WHERE},
        "TIFF": {"exif": exif},
        "AVIF": {"exif": exif, "xmp": xmp},
    }
    data = encoded(BANDS, kind, **places[kind])
    assert kind == "PNG" or WHERE.encode() in data
    return data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_thumbnail_contains_no_metadata(kind: str) -> None:
    small = thumbnail(with_location(kind), 32, MANY)
    assert WHERE.encode() not in small
    with Image.open(io.BytesIO(small)) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_views_are_the_whole_photo_its_corners_and_its_centre(tmp_path: Path) -> None:
    picture = Image.new("RGB", (400, 400), "white")
    for x, colour in ((0, "red"), (300, "blue")):
        picture.paste(colour, (x, 0, x + 100, 100))
    out = io.BytesIO()
    picture.save(out, "PNG")
    views = prepare_views(out.getvalue(), 10**8, 6)
    assert views.shape == (6, 224, 224, 3)
    assert (views[0] == prepare(out.getvalue(), 10**8)).all()
    red, blue = [1, -1, -1], [-1, -1, 1]
    assert views[1, 5, 5].tolist() == red  # top left
    assert views[2, 5, -5].tolist() == blue  # top right
    for view in (3, 4):  # the lower corners start below the coloured squares
        assert (views[view, 5, 5] == 1).all()
    assert views[1, 45, 45].tolist() == red
    assert views[5, 5, 5].tolist() == red  # the centre view includes part of the square
    assert (views[5, 45, 45] == 1).all()
