"""Files that are no photos, or damaged, are rejected with a readable reason."""

import contextlib
import re
import struct
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import encoded
from pictures import FORMATS, MANY, animated, chunk, quarters
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import prepare, rgb, thumbnail

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8))


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
        encoded(quarters(), "ICO"),
        encoded(quarters(), "JPEG2000"),
    ],
    ids=["text", "zeros", "HTML", "SVG", "PDF", "EPS", "ICO", "JPEG2000"],
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
            *(animated(kind) for kind in ("MPO", "PNG", "GIF", "WEBP", "TIFF")),
            encoded(quarters(), "TIFF", compression="tiff_lzw"),
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


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff\xc4\xff\xff" * 200_000,
        b"\xff\xd8" + (b"\xff\xc4\x00\xff" + b"\xff" * 251) * 4000,
        b"\x89PNG\r\n\x1a\n" + b"IDAT" * 200_000,
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sI", 2**20, b"abcd", 0) * 100_000,
        b"GIF89a\xff\xff\xff\xff\0\0\0" + b"!\xfe\1,\0" * 100_000,
        b"GIF89a\xff\xff\xff\xff\0\0\0" + b"," + b",\1\0\1\0\1\0\1\0\0\2\1" * 60_000,
        b"RIFF\0\0\0\0WEBP" + b"VP8 \xff\xff\xff\0" * 100_000,
        b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 40_000) + bytes(800_000),
        b"\0\0\0\x0cftypheic" + b"meta" * 200_000,
    ],
    ids=["DHT", "DHT in DHT", "IDAT", "lengths", "comments", "frames", "VP8", "tags", "meta"],
)
def test_files_made_to_be_searched_for_long_are_not(data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(PhotoError):
        rgb(data, MANY)
    assert time.process_time() - start < 5
