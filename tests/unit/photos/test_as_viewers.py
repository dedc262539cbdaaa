"""Kinds of samples that Pillow leaves to its callers, or shows as no other viewer does.

The expected values are those that libvips 8.18 shows (libtiff, libpng, libwebp), on white.
"""

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from photos import encoded
from pictures import (
    COLOURS,
    MANY,
    WHITE,
    Tags,
    assert_quarters,
    bmp,
    chunk,
    greys,
    png,
    quarters,
    tiff,
    tiff_of,
)
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import rgb

RGB = np.asarray(quarters())
FOUR = tuple(COLOURS.values())
ALPHA = greys(255, 0, 128, 255).astype(np.uint8)
GREY = greys(255, 128, 64, 0).astype(np.uint8)
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


# TIFF ----------------------------------------------------------------------------------------

ONE: Tags = {277: 1}
THREE: Tags = {277: 3, 258: (8, 8, 8)}
INKS: Tags = {277: 4, 258: (8, 8, 8, 8), 262: 5, 332: 2}
WHITE_IS_ZERO: Tags = {262: 0}
BLACK_IS_ZERO: Tags = {262: 1}
IN_RGB: Tags = {262: 2}
IN_PALETTE: Tags = {262: 3}
IN_YCBCR: Tags = {262: 6}


def words(values: np.ndarray, order: str) -> bytes:
    return (values.astype(np.uint16) * 257).astype(f"{order}u2").tobytes()


def ycbcr(across: int, down: int) -> bytes:
    """The quarters, with a block of Y per pair of Cb and Cr (TIFF 6.0, section 21)."""
    y, cb, cr = (np.asarray(band) for band in quarters().convert("YCbCr").split())
    return b"".join(
        y[row : row + down, column : column + across].tobytes()
        + bytes([cb[row, column], cr[row, column]])
        for row in range(0, 40, down)
        for column in range(0, 60, across)
    )


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [False, True])
def test_16_bit_tiff_with_white_as_zero_is_no_negative(order: str, packed: bool) -> None:
    tags: Tags = {**ONE, **WHITE_IS_ZERO, 258: 16, 259: 8 if packed else 1}
    data = words(255 - GREY, order)
    picture = rgb(tiff_of(tags, zlib.compress(data) if packed else data, order), MANY)
    assert_quarters(picture, 255, 128, 64, 0)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("zero", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("fill", [1, 2])
def test_grey_tiff_of_any_polarity_and_bit_order(
    order: str, zero: int, bits: int, fill: int
) -> None:
    most = 2**bits - 1
    values = (
        greys(most, most // 2, most // 4, 0)
        if zero
        else most - greys(most, most // 2, most // 4, 0)
    )
    each = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
    data = np.packbits(each.reshape(40, -1), axis=1).tobytes()
    data = data.translate(REVERSED) if fill == 2 else data
    picture = rgb(tiff_of({**ONE, 258: bits, 262: zero, 266: fill}, data, order), MANY)
    assert_quarters(picture, 255, most // 2 * 255 // most, most // 4 * 255 // most, 0)


def test_tiff_that_does_not_say_what_zero_is_has_black_as_zero() -> None:
    assert_quarters(rgb(tiff_of({**ONE, 258: 8}, GREY.tobytes()), MANY), 255, 128, 64, 0)


def test_12_bit_tiff_is_scaled() -> None:
    values = (greys(4095, 2056, 1028, 0, dtype=np.uint16)).astype(">u2").view(np.uint8)
    each = np.unpackbits(values.reshape(40, 60, 2), axis=-1)[..., 4:].reshape(40, -1)
    data = np.packbits(each, axis=1).tobytes()
    picture = rgb(tiff_of({**ONE, **BLACK_IS_ZERO, 258: 12}, data), MANY)
    assert_quarters(picture, 255, 128, 64, 0)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("alpha", [False, True])
def test_tiff_with_planes_of_16_bits(order: str, alpha: bool) -> None:
    bands = [*np.moveaxis(RGB, 2, 0), *([ALPHA] if alpha else [])]
    # One strip with all planes, as its offsets follow one another.
    size = 60 * 40 * 2
    data = b"".join(words(band, order) for band in bands)
    tags: Tags = {277: len(bands), 258: (16,) * len(bands), 284: 2, **IN_RGB}
    file = bytearray(tiff_of({**tags, **({338: 2} if alpha else {})}, data, order))
    at = len(file) - len(data)
    strips = struct.pack(
        f"{order}{2 * len(bands)}I",
        *(at + i * size for i in range(len(bands))),
        *[size] * len(bands),
    )
    for tag, where in ((273, len(file)), (279, len(file) + 4 * len(bands))):
        entry = file.index(struct.pack(f"{order}HHI", tag, 4, 1))
        file[entry : entry + 12] = struct.pack(f"{order}HHII", tag, 4, len(bands), where)
    picture = rgb(bytes(file) + strips, MANY)
    assert_quarters(picture, *((FOUR[0], WHITE, (127, 127, 255), FOUR[3]) if alpha else FOUR))


@pytest.mark.parametrize(
    ("subsampling", "data"),
    [((1, 1), ycbcr(1, 1)), ((2, 1), ycbcr(2, 1)), ((2, 2), ycbcr(2, 2)), (None, ycbcr(2, 2))],
)
def test_uncompressed_ycbcr_tiff(subsampling: tuple[int, int] | None, data: bytes) -> None:
    tags: Tags = {**THREE, **IN_YCBCR, **({530: subsampling} if subsampling else {})}
    assert_quarters(rgb(tiff_of(tags, data), MANY), *FOUR, tolerance=2)


@pytest.mark.parametrize("scale", [1, 257])
def test_tiff_palette_of_8_and_16_bits(scale: int) -> None:
    colours = np.zeros((256, 3), int)
    colours[:4] = FOUR
    tags: Tags = {**ONE, **IN_PALETTE, 258: 8, 320: tuple((colours.T.ravel() * scale).tolist())}
    assert_quarters(rgb(tiff_of(tags, greys(0, 1, 2, 3).tobytes()), MANY), *FOUR)


@pytest.mark.parametrize(("extra", "second"), [(0, 128), (1, 255), (2, 255)])
def test_grey_tiff_with_a_second_sample(extra: int, second: int) -> None:
    """Unspecified, premultiplied alpha, alpha. libvips takes unspecified for alpha; we do not."""
    grey = GREY * (ALPHA / 255) if extra == 1 else GREY
    data = np.dstack([grey.astype(np.uint8), ALPHA]).tobytes()
    tags: Tags = {277: 2, 258: (8, 8), 338: extra, **BLACK_IS_ZERO}
    third = 64 if extra == 0 else 159
    assert_quarters(rgb(tiff_of(tags, data), MANY), 255, second, third, 0, tolerance=1)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({**ONE, **BLACK_IS_ZERO, 258: 8, 339: 2}, "signed or 32-bit pixels"),
        ({**ONE, **BLACK_IS_ZERO, 258: 16, 339: 2}, "signed or 32-bit pixels"),
        (INKS, "other inks than CMYK"),
        ({**THREE, **IN_RGB, 259: 34712}, "compression 34712 of TIFF is not supported"),
        ({**THREE, **IN_RGB, 259: 50001}, "compression 50001 of TIFF is not supported"),
        ({277: 3, 258: (32, 32, 32), **IN_RGB}, "a TIFF .* of an unsupported kind .*pixel mode"),
    ],
)
def test_tiff_whose_values_have_no_fixed_meaning_is_rejected(tags: Tags, reason: str) -> None:
    for order in "<>":
        with pytest.raises(PhotoError, match=reason):
            rgb(tiff_of(tags, bytes(60 * 40 * 12), order), MANY)


def test_16_bit_tiff_is_unchanged_by_these_rules() -> None:
    for order in "<>":
        assert_quarters(rgb(tiff(RGB.astype(np.uint16) * 257, order), MANY), *FOUR)


# BMP -----------------------------------------------------------------------------------------

MASKS = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
ON_WHITE = (FOUR[0], WHITE, (127, 127, 255), FOUR[3])


@pytest.mark.parametrize("header", [56, 108, 124])
@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(greys(0, 0, 0, 0), FOUR), (greys(255, 255, 255, 255), FOUR), (ALPHA, ON_WHITE)],
)
def test_bmp_with_an_alpha_mask(
    header: int, alpha: np.ndarray, expected: tuple[tuple[int, int, int], ...]
) -> None:
    """Where all alpha is zero, the byte is unused: no viewer shows nothing."""
    rows = np.dstack([RGB[..., ::-1], alpha])[::-1].tobytes()
    assert_quarters(rgb(bmp(32, rows, header=header, compression=3, after=MASKS), MANY), *expected)


@pytest.mark.parametrize("alpha", [0, 255])
def test_bmp_of_32_bits_without_masks_is_opaque(alpha: int) -> None:
    rows = np.dstack([RGB[..., ::-1], np.full_like(GREY, alpha)])[::-1].tobytes()
    assert_quarters(rgb(bmp(32, rows), MANY), *FOUR)


def test_bmp_with_other_masks_is_rejected_as_unsupported() -> None:
    masks = struct.pack("<4I", 1023 << 20, 1023 << 10, 1023, 0)
    with pytest.raises(PhotoError, match=r"not supported \(Unsupported BMP bitfields"):
        rgb(bmp(32, bytes(60 * 40 * 4), header=56, compression=3, after=masks), MANY)


# PNG -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "clear"), [(1, 0), (2, 2), (2, 1), (4, 8), (8, 77)])
def test_transparent_grey_of_few_bits(bits: int, clear: int) -> None:
    most = 2**bits - 1
    values = greys(most, clear, 0, most)
    each = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in each.reshape(40, -1))
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 60, 40, bits, 0, 0, 0, 0))
        + chunk(b"tRNS", struct.pack(">H", clear))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    assert_quarters(rgb(data, MANY), 255, 255, 0 if clear else 255, 255)


def test_transparent_colour_of_16_bits_is_exact() -> None:
    """A colour that differs in the lower byte only is not the transparent one."""
    pixels = RGB.astype(np.uint16) * 257
    pixels[20:, :30] = (65535, 0, 5)
    picture = rgb(png(pixels, clear=(65535, 0, 0)), MANY)
    assert_quarters(picture, WHITE, FOUR[1], FOUR[0], FOUR[3])


# Frames that are smaller than the picture ----------------------------------------------------


def test_gif_is_white_where_its_first_frame_is_not() -> None:
    whole = bytearray(encoded(quarters(size=(30, 20)).quantize(4), "GIF"))
    whole[6:10] = struct.pack("<HH", 60, 40)
    frame = whole.index(b",", 13 + (3 << (whole[10] & 7) + 1))
    whole[frame + 1 : frame + 5] = struct.pack("<HH", 30, 20)
    picture = rgb(bytes(whole), MANY)
    assert_quarters(picture.crop((0, 0, 60, 40)), WHITE, WHITE, WHITE, picture.getpixel((45, 30)))  # type: ignore[arg-type]
    assert picture.getpixel((31, 21)) == FOUR[0]


@pytest.mark.parametrize("flags", [0x02, 0x12])
def test_animated_webp_is_white_where_its_first_frame_is_not(flags: int) -> None:
    def part(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)

    def three(*values: int) -> bytes:
        return b"".join(value.to_bytes(3, "little") for value in values)

    frame = encoded(Image.new("RGB", (30, 20), "red"), "WEBP", lossless=True)[12:]
    body = (
        b"WEBP"
        + part(b"VP8X", bytes([flags, 0, 0, 0]) + three(59, 39))
        + part(b"ANIM", b"\0\0\xff\xff\0\0")
        + part(b"ANMF", three(0, 0, 29, 19, 100) + b"\0" + frame)
    )
    picture = rgb(b"RIFF" + struct.pack("<I", len(body)) + body, MANY)
    assert_quarters(picture, FOUR[0], WHITE, WHITE, WHITE)


# Netpbm --------------------------------------------------------------------------------------


def netpbm(magic: int, most: int) -> bytes:
    """The quarters (or greys) as plain (1 to 3) or raw (4 to 6) Netpbm."""
    values = {0: RGB, 1: greys(0, 1, 1, 0), 2: GREY}[magic % 3].astype(int)
    values = values if magic % 3 == 1 else values * most // 255
    head = f"P{magic}\n# made for a test\n60 40\n" + ("" if magic % 3 == 1 else f"{most}\n")
    if magic < 4:
        body = " ".join(map(str, values.ravel())).encode()
    elif magic == 4:
        body = np.packbits(values, axis=1).tobytes()
    else:
        body = values.astype(">u2" if most > 255 else "u1").tobytes()
    return head.encode() + body


@pytest.mark.parametrize("most", [255, 65535, 51])
@pytest.mark.parametrize("magic", [1, 2, 3, 4, 5, 6])
def test_netpbm(magic: int, most: int) -> None:
    expected: dict[int, Callable[[], tuple[object, ...]]] = {
        0: lambda: FOUR,
        1: lambda: (255, 0, 0, 255),
        2: lambda: (255, 128, 64, 0),
    }
    colours = expected[magic % 3]()
    assert_quarters(rgb(netpbm(magic, most), MANY), *colours, tolerance=5)  # type: ignore[arg-type]
    with pytest.raises(PhotoError, match="truncated"):
        rgb(netpbm(magic, most)[:-100], MANY)


def test_netpbm_above_the_limit_is_rejected_before_decoding() -> None:
    with pytest.raises(PhotoError, match="more than 1 megapixels"):
        rgb(b"P6\n30000 30000\n255\n", 10**6)
    with pytest.raises(PhotoError, match="floating-point"):
        rgb(b"Pf\n60 40\n-1.0\n" + bytes(60 * 40 * 4), MANY)
