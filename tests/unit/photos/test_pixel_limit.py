"""A photo with too many pixels is rejected before it is decoded."""

import struct
import zlib

import numpy as np
import pytest
from photos import encoded
from pictures import FORMATS, chunk
from PIL import Image
from places import HEIC

from fruits.errors import PhotoError
from fruits.photos.decode import prepare, rgb

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
WHOLE = {kind: encoded(NOISE, kind) for kind in FORMATS}


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own limit, which is global, is afterwards as before."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


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


@pytest.mark.parametrize("brand", [b"heic", b"MiHE"])
def test_heic_above_the_limit_is_rejected_before_decoding(
    brand: bytes, request: pytest.FixtureRequest
) -> None:
    data = HEIC.read_bytes()
    data = data[:8] + brand + data[12:]
    assert rgb(data, 90 * 120).size == (90, 120)
    request.getfixturevalue("no_decoding")
    for limit in (90 * 120 - 1, 100):
        with pytest.raises(PhotoError, match=r"more than \S+ megapixels$"):
            rgb(data, limit)
