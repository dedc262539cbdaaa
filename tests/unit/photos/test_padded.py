"""A file that ends in zeros, as of an interrupted copy, is no photo with a made-up lower part."""

import numpy as np
import pytest
from photos import encoded
from PIL import Image
from places import SAMPLES

from fruits.errors import PhotoError
from fruits.photos.decode import rgb

MANY = 10**6
PICTURE = Image.open(SAMPLES / "Kiwi" / "kiwi_01.jpg").convert("RGB")
FILES = {
    "JPEG": encoded(PICTURE),
    "PNG": encoded(PICTURE, "PNG"),
    "PNG, palette": encoded(PICTURE.quantize(32), "PNG"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_whose_end_is_zeros_is_rejected(kind: str) -> None:
    clean = FILES[kind]
    for share in (0.3, 0.6, 0.9, 0.99):
        cut = int(share * len(clean))
        with pytest.raises(PhotoError, match=r"truncated|damaged"):
            rgb(clean[:cut] + bytes(len(clean) - cut), MANY)


@pytest.mark.parametrize("kind", FILES)
def test_zeros_after_the_end_do_no_harm(kind: str) -> None:
    clean = np.asarray(rgb(FILES[kind], MANY))
    np.testing.assert_array_equal(np.asarray(rgb(FILES[kind] + bytes(1000), MANY)), clean)


def test_a_png_whose_end_marker_is_zeros_is_whole() -> None:
    clean = FILES["PNG"]
    data = clean[:-12] + bytes(100)
    np.testing.assert_array_equal(np.asarray(rgb(data, MANY)), np.asarray(rgb(clean, MANY)))
