"""Colours, greys and transparency of all formats are what viewers show."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from photos import encoded
from pictures import (
    COLOURS,
    FORMATS,
    MANY,
    WHITE,
    animated,
    assert_quarters,
    greys,
    lab,
    orientation,
    png,
    quarters,
    tiff,
)
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import rgb

# Colours -------------------------------------------------------------------------------------

RGB16 = np.asarray(quarters()).astype(np.uint16) * 257

IN_COLOUR: dict[str, Callable[[], bytes]] = {
    **{kind: partial(encoded, quarters(), kind) for kind in FORMATS},
    "JPEG, progressive": lambda: encoded(quarters(), "JPEG", progressive=True),
    "JPEG, CMYK": lambda: encoded(quarters().convert("CMYK"), "JPEG"),
    "MPO": lambda: animated("MPO"),
    "PNG, palette": lambda: encoded(quarters().quantize(4), "PNG"),
    "PNG, interlaced bits": lambda: encoded(quarters().quantize(4), "PNG", bits=2),
    "PNG, 16 bits": lambda: png(RGB16),
    "PNG, animated": lambda: animated("PNG"),
    "WebP, lossless": lambda: encoded(quarters(), "WEBP", lossless=True),
    "WebP, animated": lambda: animated("WEBP"),
    "BMP, palette": lambda: encoded(quarters().quantize(4), "BMP"),
    "GIF, animated": lambda: animated("GIF"),
    "TIFF, LZW": lambda: encoded(quarters(), "TIFF", compression="tiff_lzw"),
    "TIFF, Deflate": lambda: encoded(quarters(), "TIFF", compression="tiff_deflate"),
    "TIFF, JPEG": lambda: encoded(quarters(), "TIFF", compression="jpeg"),
    "TIFF, palette": lambda: encoded(quarters().quantize(4), "TIFF"),
    "TIFF, CMYK": lambda: encoded(quarters().convert("CMYK"), "TIFF"),
    "TIFF, YCbCr": lambda: encoded(quarters().convert("YCbCr"), "TIFF"),
    "TIFF, 16 bits, little-endian": lambda: tiff(RGB16, "<"),
    "TIFF, 16 bits, big-endian": lambda: tiff(RGB16, ">"),
    "TIFF, two pages": lambda: animated("TIFF"),
    "AVIF, animated": lambda: animated("AVIF"),
}


@pytest.mark.parametrize("kind", IN_COLOUR)
def test_colours_are_right(kind: str) -> None:
    assert_quarters(rgb(IN_COLOUR[kind](), MANY), *COLOURS.values(), tolerance=4)


def test_colours_in_lab_are_right() -> None:
    """Needs more tolerance, because 8-bit LAB is less precise for saturated sRGB colours."""
    picture = rgb(encoded(lab(quarters()), "TIFF"), MANY)
    assert_quarters(picture, *COLOURS.values(), tolerance=25)


@pytest.mark.parametrize("kind", FORMATS)
def test_grey_is_grey(kind: str) -> None:
    picture = rgb(encoded(Image.fromarray(greys(255, 128, 64, 0)), kind), MANY)
    assert_quarters(picture, 255, 128, 64, 0, tolerance=2)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "group4"}), ("GIF", {})],
)
def test_one_bit_is_black_and_white(kind: str, options: dict[str, str]) -> None:
    image = Image.fromarray(greys(255, 0, 0, 255)).convert("1")
    assert_quarters(rgb(encoded(image, kind, **options), MANY), 255, 0, 0, 255)


def grey16(kind: str, **options: object) -> bytes:
    values = greys(65535, 32896, 257, 0, dtype=np.uint16)
    if kind == "TIFF, big-endian":
        image = Image.frombytes("I;16B", (60, 40), values.astype(">u2").tobytes())
    else:
        image = Image.fromarray(values.astype(np.int32) if "32" in kind else values)
    return encoded(image, kind[:4].strip(","), **options)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF, big-endian", "TIFF, 32 bits"])
def test_16_bits_of_grey_keep_their_shades(kind: str) -> None:
    assert_quarters(rgb(grey16(kind), MANY), 255, 128, 1, 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF, big-endian"])
def test_16_bits_of_grey_are_turned_upright(kind: str) -> None:
    picture = rgb(grey16(kind, exif=orientation(3)), MANY)
    assert_quarters(picture, 0, 1, 128, 255)


@pytest.mark.parametrize("values", [(0.0, 1.0, 0.5, 0.2), (0, 65536, 1, 2), (-1, 0, 1, 2)])
def test_formats_without_a_fixed_white_are_rejected(values: tuple[float, ...]) -> None:
    dtype = np.float32 if isinstance(values[0], float) else np.int32
    with pytest.raises(PhotoError, match="they have no fixed white"):
        rgb(encoded(Image.fromarray(greys(*values, dtype=dtype)), "TIFF"), MANY)


# Transparency --------------------------------------------------------------------------------

ALPHA = (255, 0, 128, 255)
ON_WHITE = (COLOURS["R"], WHITE, (127, 127, 255), COLOURS["Y"])


def with_alpha(mode: str = "RGBA") -> Image.Image:
    image = quarters().convert(mode)
    image.putalpha(Image.fromarray(greys(*ALPHA)))
    return image


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True, "exact": True}),
        ("WEBP", {"quality": 95}),
        ("TIFF", {}),
        ("AVIF", {"quality": 100}),
    ],
)
def test_alpha_is_blended_with_white(kind: str, options: dict[str, object]) -> None:
    picture = rgb(encoded(with_alpha(), kind, **options), MANY)
    assert_quarters(picture, *ON_WHITE, tolerance=4)


def test_16_bit_alpha_is_blended_with_white() -> None:
    pixels = np.asarray(with_alpha()).astype(np.uint16) * 257
    assert_quarters(rgb(png(pixels), MANY), *ON_WHITE, tolerance=2)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_with_alpha_is_blended_with_white(kind: str) -> None:
    image = Image.merge("LA", [Image.fromarray(greys(*v)) for v in ((200, 0, 0, 9), ALPHA)])
    assert_quarters(rgb(encoded(image, kind), MANY), 200, 255, 127, 9, tolerance=1)


def test_palette_with_alpha_is_blended_with_white() -> None:
    image = quarters().quantize(4)
    palette = image.getpalette() or []
    entries = [(palette[i], palette[i + 1], palette[i + 2]) for i in range(0, 12, 3)]
    alpha_of = dict(zip(COLOURS.values(), ALPHA, strict=True))
    data = encoded(image, "PNG", transparency=bytes(alpha_of[entry] for entry in entries))
    assert_quarters(rgb(data, MANY), *ON_WHITE, tolerance=1)


def test_transparent_colour_of_a_gif_becomes_white() -> None:
    image = quarters().quantize(4)
    data = encoded(image, "GIF", transparency=image.getpixel((0, 0)))
    assert_quarters(rgb(data, MANY), WHITE, COLOURS["G"], COLOURS["B"], COLOURS["Y"])


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(greys(0, 5, 0, 200)), "PNG", transparency=5),
        png(greys(0, 5 * 257, 0, 200 * 257, dtype=np.uint16), clear=(5 * 257,)),
    ],
    ids=["8 bits", "16 bits"],
)
def test_transparent_grey_of_a_png_becomes_white(data: bytes) -> None:
    assert_quarters(rgb(data, MANY), 0, 255, 0, 200)


@pytest.mark.parametrize(
    "data",
    [encoded(quarters(), "PNG", transparency=COLOURS["R"]), png(RGB16, clear=(65535, 0, 0))],
    ids=["8 bits", "16 bits"],
)
def test_transparent_colour_of_a_png_becomes_white(data: bytes) -> None:
    assert_quarters(rgb(data, MANY), WHITE, COLOURS["G"], COLOURS["B"], COLOURS["Y"])
