"""Large JPEGs are decoded at a fraction of their size, and nothing is lost that matters."""

import io

import numpy as np
import pytest
from photos import encoded
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import prepare, prepare_views, rgb, thumbnail

MANY = 10**8


def scene(width: int, height: int) -> Image.Image:
    """Coarse and fine structure in colour, and noise, as photos have it."""
    random = np.random.default_rng(7)
    pixels = sum(
        np.asarray(
            Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).resize(
                (width, height), Image.Resampling.BICUBIC
            ),
            np.float32,
        )
        * share
        for side, share in ((8, 0.6), (64, 0.3), (512, 0.1))
    )
    noisy = pixels + random.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


LARGE = scene(2016, 1512)


@pytest.mark.parametrize(
    ("size", "at_least", "decoded"),
    [
        ((4032, 3024), 448, (1008, 756)),
        ((3024, 4032), 448, (756, 1008)),
        ((4032, 3024), 224, (504, 378)),  # an eighth is the least that JPEG can
        ((896, 896), 448, (448, 448)),
        ((895, 895), 448, (895, 895)),
        ((4032, 800), 448, (4032, 800)),  # both sides must keep enough
        ((4032, 3024), None, (4032, 3024)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
def test_a_jpeg_is_halved_while_both_sides_keep_enough(
    size: tuple[int, int], at_least: int | None, decoded: tuple[int, int], kind: str
) -> None:
    second: dict[str, object] = {"save_all": True, "append_images": [Image.new("RGB", (99, 99))]}
    data = encoded(Image.new("RGB", size), kind, **(second if kind == "MPO" else {}))
    assert rgb(data, MANY, at_least).size == decoded


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_other_formats_are_decoded_whole(kind: str) -> None:
    data = encoded(Image.new("RGB", (896, 896)), kind)
    assert rgb(data, MANY, 448).size == (896, 896)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:4:4"}])
def test_what_the_model_sees_is_nearly_the_same(options: dict[str, object]) -> None:
    data = encoded(LARGE, "JPEG", quality=90, **options)
    scaled, exact = prepare(data, MANY), prepare(data, MANY, exact=True)
    assert 0 < np.abs(scaled - exact).mean() < 0.01
    small = Image.open(io.BytesIO(data)).resize((224, 224), Image.Resampling.BICUBIC)
    expected = np.asarray(small, np.float32) / np.float32(127.5) - np.float32(1)
    np.testing.assert_array_equal(exact, expected)


def test_a_photo_too_small_to_be_halved_stays_as_it_is() -> None:
    data = encoded(scene(1200, 895))
    np.testing.assert_array_equal(prepare(data, MANY), prepare(data, MANY, exact=True))


def test_views_of_a_part_are_made_of_more_pixels() -> None:
    """Of 900 pixels a half is enough for the whole, and too little for three quarters of it."""
    data = encoded(scene(900, 900))
    whole, exact = (prepare_views(data, MANY, 1, exact=e) for e in (False, True))
    assert (whole != exact).any()
    views, exact = (prepare_views(data, MANY, 6, exact=e) for e in (False, True))
    np.testing.assert_array_equal(views, exact)


def test_a_large_photo_is_upright_too() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encoded(LARGE.transpose(Image.Transpose.ROTATE_90), quality=90, exif=turned)
    upright = prepare(encoded(LARGE, quality=90), MANY)
    assert np.abs(prepare(data, MANY) - upright).mean() < 0.02
    assert Image.open(io.BytesIO(thumbnail(data, 100, MANY))).size == (100, 100)


def test_half_a_large_photo_is_rejected() -> None:
    data = encoded(LARGE)
    with pytest.raises(PhotoError, match="damaged or truncated"):
        prepare(data[: len(data) // 2], MANY)


def test_the_limit_is_of_the_pixels_that_the_file_has() -> None:
    with pytest.raises(PhotoError, match="more than 3 megapixels"):
        prepare(encoded(LARGE), 3 * 10**6)
