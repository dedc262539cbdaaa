"""Files that would keep a decoder busy for minutes are rejected, within seconds."""

from collections.abc import Callable

import numpy as np
import pytest
from photos import encoded
from pictures import chunk
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import prepare

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
MOST = 100 * 10**6
MILLIONS = 20_000_000


def scans(times: int, side: int = 7000) -> bytes:
    """A progressive JPEG in which one scan, of nothing new, is repeated."""
    data = encoded(Image.new("RGB", (side, side), "red"), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * times + b"\xff\xd9"


def in_png(parts: bytes) -> bytes:
    data = encoded(NOISE, "PNG")
    at = data.index(b"IDAT") - 4
    return data[:at] + parts + data[at:]


def in_gif(parts: bytes) -> bytes:
    data = encoded(Image.new("L", (8, 8)), "GIF")
    at = data.index(b",", 13)
    return data[:at] + parts + data[at:]


JPEG = encoded(NOISE, "JPEG")
REJECTED: dict[str, Callable[[], bytes]] = {
    "scans": lambda: scans(5_000),
    "fill bytes": lambda: b"\xff\xd8" + b"\xff" * MILLIONS + JPEG[2:],
    "zeros": lambda: b"\xff\xd8\xff" + bytes(10 * MILLIONS),
    "JPEG segments": lambda: b"\xff\xd8" + b"\xff\xe1\0\2" * MILLIONS + JPEG[2:],
    "damaged JPEG segments": lambda: b"\xff\xd8\xff\xe0\xff\xff" + b"\xff\xd8" * MILLIONS,
    "PNG chunks": lambda: in_png(chunk(b"tEXt", b"") * (MILLIONS // 2)),
    "Netpbm comments": lambda: b"P6\n" + b"#\n" * MILLIONS + b"9 9\n255\n" + bytes(243),
}
DECODED: dict[str, Callable[[], bytes]] = {
    "segments after a scan": lambda: JPEG[:-2] + b"\xff\xe1\0\2" * MILLIONS,
    "GIF extensions": lambda: in_gif(b"!\xfe\1a\0" * 150_000),
    "commas in a GIF": lambda: in_gif(b"!\xfe" + (b"\xff" + b"," * 255) * 80_000 + b"\0"),
    "a video after the picture": lambda: JPEG + b"\0\xff\xda\0" * MILLIONS,
    "a thumbnail with many scans": lambda: (
        JPEG[:2] + b"\xff\xe1\x80\2" + b"\xff\xda" * 2**14 + JPEG[2:]
    ),
}


@pytest.mark.parametrize("kind", REJECTED)
def test_it_is_rejected(kind: str) -> None:
    with pytest.raises(PhotoError, match=r"too many parts|which take too long"):
        prepare(REJECTED[kind](), MOST)


@pytest.mark.parametrize("kind", DECODED)
def test_what_is_around_the_picture_does_not_matter(kind: str) -> None:
    is_gif = "GIF" in kind
    plain = in_gif(b"") if is_gif else JPEG
    np.testing.assert_array_equal(prepare(DECODED[kind](), MOST), prepare(plain, MOST))
