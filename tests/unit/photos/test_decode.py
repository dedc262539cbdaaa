"""Photos are decoded correctly, or rejected with a readable reason."""

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from photos import encoded
from PIL import Image, ImageCms
from places import HEIC

from fruits.errors import PhotoError
from fruits.photos.decode import is_photo, prepare, prepare_views, rgb, thumbnail

MANY = 10**6
"""A pixel limit far above the size of all pictures in these tests."""
COLOURS = {"R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255), "Y": (255, 255, 0)}
WHITE = (255, 255, 255)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")


def quarters(letters: str = "RGBY", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A picture with four colours: top left, top right, bottom left, bottom right."""
    cells = np.array([COLOURS[letter] for letter in letters], np.uint8).reshape(2, 2, 3)
    return Image.fromarray(cells).resize(size, Image.Resampling.NEAREST)


def animated(kind: str) -> bytes:
    """The quarters, followed by a black frame, page or picture."""
    black = Image.new("RGB", (60, 40))
    return encoded(quarters(), kind, save_all=True, append_images=[black])


def greys(*values: float, dtype: type = np.uint8) -> NDArray[np.generic]:
    """A 60 x 40 array whose quarters have these grey values."""
    return np.array(values, dtype).reshape(2, 2).repeat(20, axis=0).repeat(30, axis=1)


def lab(image: Image.Image) -> Image.Image:
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image, *spaces, outputMode="LAB")
    assert converted is not None  # None only if converted in place
    return converted


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(pixels: NDArray[np.generic], clear: tuple[int, ...] = ()) -> bytes:
    """A PNG with 16 bits per sample, which Pillow can write only for grey pictures."""
    height, width = pixels.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.size // (width * height)]
    rows = pixels.reshape(height, -1).astype(">u2")
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
            chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b"",
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
            chunk(b"IEND", b""),
        )
    )


def tiff(pixels: NDArray[np.generic], order: str) -> bytes:
    """An RGB TIFF with 16 bits per sample, little-endian (`<`) or big-endian (`>`)."""
    height, width, samples = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    bits_at = 8 + 2 + 9 * 12 + 4
    tags = (
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, samples, bits_at),
        (259, 4, 1, 1),  # no compression
        (262, 4, 1, 2),  # RGB
        (273, 4, 1, bits_at + 2 * samples),
        (277, 4, 1, samples),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
    )
    return b"".join(
        (
            {"<": b"II*\0", ">": b"MM\0*"}[order],
            struct.pack(f"{order}IH", 8, len(tags)),
            *(struct.pack(f"{order}HHII", *tag) for tag in tags),
            struct.pack(f"{order}I{samples}H", 0, *[16] * samples),
            data,
        )
    )


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def assert_quarters(
    picture: Image.Image, *expected: int | tuple[int, ...], tolerance: int = 0
) -> None:
    """Check the colour at the centre of each quarter; a single number means grey."""
    assert picture.mode == "RGB"
    assert picture.size == (60, 40)
    seen = [picture.getpixel(place) for place in ((15, 10), (45, 10), (15, 30), (45, 30))]
    colours = [(e,) * 3 if isinstance(e, int) else e for e in expected]
    assert np.abs(np.subtract(np.array(seen), np.array(colours))).max() <= tolerance, seen


def assert_picture_or_reason(data: bytes, max_pixels: int = MANY) -> None:
    """Check that the bytes are either decoded or rejected with a readable reason."""
    try:
        picture, array = rgb(data, max_pixels), prepare(data, max_pixels)
    except PhotoError as error:
        assert re.fullmatch(r"[a-z0-9][^\n\r]*( [^\n\r]*){2,}", str(error)), error
    else:
        assert picture.mode == "RGB"
        assert 0 < picture.width * picture.height <= max_pixels
        assert array.shape == (224, 224, 3)
        assert np.abs(array).max() <= 1


# File names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["a.JPG", "é.jpeg", "a b.png", "a.WebP", "a.bmp", "a.gif", "a.tif", "a.TIFF", "a.b.avif"],
)
def test_photo_extensions_are_case_insensitive(name: str) -> None:
    assert is_photo(name)


@pytest.mark.parametrize("name", ["jpg", "a", "a.txt", "a.jpg.txt", "a.jpg ", "a.jpg~", "", "."])
def test_other_names_are_not_photos(name: str) -> None:
    assert not is_photo(name)


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


# EXIF ----------------------------------------------------------------------------------------

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


# Rejected files ------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [rgb, prepare, lambda *args: thumbnail(args[0], 32, args[1])])
def test_an_empty_file_is_rejected(function: Callable[[bytes, int], object]) -> None:
    with pytest.raises(PhotoError, match=r"^the file is empty$"):
        function(b"", MANY)


@pytest.mark.parametrize(
    "data",
    [
        b"A text, not a photo.\n",
        b"\0" * 1000,
        b"<!DOCTYPE html><title>404</title>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(quarters(), "PDF"),
        encoded(quarters(), "EPS"),
        encoded(quarters(), "PPM"),
        encoded(quarters(), "ICO"),
        encoded(quarters(), "JPEG2000"),
    ],
    ids=["text", "zeros", "HTML", "SVG", "PDF", "EPS", "PPM", "ICO", "JPEG2000"],
)
def test_files_that_are_not_photos_are_rejected(data: bytes) -> None:
    with pytest.raises(PhotoError, match="not an image, or its format is not supported"):
        prepare(data, MANY)


WHOLE = {kind: encoded(NOISE.resize((60, 40)), kind) for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_photo_is_rejected(kind: str) -> None:
    with pytest.raises(PhotoError):
        prepare(WHOLE[kind][: len(WHOLE[kind]) // 2], MANY)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0\0\1"),
        WHOLE["AVIF"].replace(b"av01", b"none"),
        WHOLE["TIFF"].replace(struct.pack("<HHI", 256, 4, 1), struct.pack("<HHI", 256, 4, 0)),
    ],
    ids=["PNG", "AVIF", "TIFF"],
)
def test_damaged_header_is_rejected_with_a_reason(data: bytes) -> None:
    """Pillow raises ValueError or RuntimeError for these before decoding."""
    assert_picture_or_reason(data)
    with pytest.raises(PhotoError):
        rgb(data, MANY)


@pytest.mark.parametrize("kind", FORMATS)
@given(where=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_photo_truncated_anywhere_has_full_size_or_is_rejected(kind: str, where: float) -> None:
    data = WHOLE[kind][: int(where * len(WHOLE[kind]))]
    assert_picture_or_reason(data)
    with contextlib.suppress(PhotoError):
        assert rgb(data, MANY).size == (60, 40)


@given(
    data=st.sampled_from(
        [
            *WHOLE.values(),
            *(
                IN_COLOUR[kind]()
                for kind in ("MPO", "GIF, animated", "WebP, animated", "TIFF, LZW")
            ),
        ]
    ),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4)), max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_corrupted_bytes_are_decoded_or_rejected_with_a_reason(
    data: bytes, flips: list[tuple[float, bytes]]
) -> None:
    for where, new in flips:
        at = int(where**3 * len(data))  # favours the start, where the headers are
        data = data[:at] + new + data[at + len(new) :]
    assert_picture_or_reason(data)


@given(head=st.sampled_from([b"", *(data[:16] for data in WHOLE.values())]), tail=st.binary())
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_decoded_or_rejected_with_a_reason(head: bytes, tail: bytes) -> None:
    assert_picture_or_reason(head + tail)


# Pixel limit ---------------------------------------------------------------------------------


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if a picture is decoded, even inside `except Exception`."""
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("the picture was decoded"))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("limit", [60 * 40 - 1, 60 * 40 // 2 - 1, 1])
@pytest.mark.usefixtures("no_decoding")
def test_photo_above_the_limit_is_rejected_before_decoding(kind: str, limit: int) -> None:
    with pytest.raises(PhotoError, match=r"more than \S+ megapixels$"):
        rgb(WHOLE[kind], limit)


@pytest.mark.parametrize("kind", FORMATS)
def test_photo_exactly_at_the_limit_is_decoded(kind: str) -> None:
    assert rgb(WHOLE[kind], 60 * 40).size == (60, 40)


@pytest.mark.usefixtures("no_decoding")
def test_decompression_bomb_is_rejected_before_decoding() -> None:
    side = 30_000
    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(side // 8 + 1) * 100) for _ in range(side // 100)]
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    bomb += chunk(b"IDAT", b"".join(rows) + packer.flush()) + chunk(b"IEND", b"")
    assert len(bomb) < 2**20
    with pytest.raises(PhotoError, match="more than 100 megapixels"):
        prepare(bomb, 100 * 10**6)


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
