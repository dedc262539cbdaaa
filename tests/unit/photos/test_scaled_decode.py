"""Large JPEGs are decoded at reduced size without a relevant loss of detail."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from photos import encoded
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import DECODINGS, Decoding, prepare, prepare_views, rgb, thumbnail
from fruits.settings import options

MANY = 10**8


def scene(width: int, height: int) -> Image.Image:
    """A picture with coarse and fine colour structure and noise, like a photo."""
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
        ((4032, 3024), 224, (504, 378)),  # JPEG can't be scaled below an eighth
        ((896, 896), 448, (448, 448)),
        ((895, 895), 448, (895, 895)),
        ((4032, 800), 448, (4032, 800)),  # both sides must stay large enough
        ((4032, 3024), None, (4032, 3024)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
def test_jpeg_is_halved_while_both_sides_stay_large_enough(
    size: tuple[int, int], at_least: int | None, decoded: tuple[int, int], kind: str
) -> None:
    second: dict[str, object] = {"save_all": True, "append_images": [Image.new("RGB", (99, 99))]}
    data = encoded(Image.new("RGB", size), kind, **(second if kind == "MPO" else {}))
    assert rgb(data, MANY, at_least).size == decoded


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_other_formats_are_decoded_at_full_size(kind: str) -> None:
    data = encoded(Image.new("RGB", (896, 896)), kind)
    assert rgb(data, MANY, 448).size == (896, 896)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:4:4"}])
@pytest.mark.parametrize("decode", ["fast", "scaled"])
def test_scaled_input_is_close_to_the_exact_one(decode: str, options: dict[str, object]) -> None:
    data = encoded(LARGE, "JPEG", quality=90, **options)
    scaled, exact = prepare(data, MANY, decode), prepare(data, MANY, "exact")
    assert 0 < np.abs(scaled - exact).mean() < 0.01
    assert np.abs(scaled).max() <= 1
    small = Image.open(io.BytesIO(data)).resize((224, 224), Image.Resampling.BICUBIC)
    expected = np.asarray(small, np.float32) / np.float32(127.5) - np.float32(1)
    np.testing.assert_array_equal(exact, expected)


@pytest.mark.parametrize(("decode", "side"), [("fast", 671), ("scaled", 895)])
def test_small_photo_is_not_scaled(decode: str, side: int) -> None:
    data = encoded(scene(1200, side))
    np.testing.assert_array_equal(prepare(data, MANY, decode), prepare(data, MANY, "exact"))
    data = encoded(scene(1200, side + 1))
    assert (prepare(data, MANY, decode) != prepare(data, MANY, "exact")).any()


@pytest.mark.parametrize(("decode", "side"), [("fast", 700), ("scaled", 900)])
def test_partial_views_are_decoded_at_higher_resolution(decode: str, side: int) -> None:
    """Half of the pixels is enough for the whole photo, but not for a view of three quarters."""
    data = encoded(scene(side, side))
    whole, exact = (prepare_views(data, MANY, 1, d) for d in (decode, "exact"))
    assert (whole != exact).any()
    views, exact = (prepare_views(data, MANY, 6, d) for d in (decode, "exact"))
    np.testing.assert_array_equal(views, exact)


def error(data: bytes, decode: str, views: int = 6) -> NDArray[np.float32]:
    """How far each view is from the exact one, on average."""
    scaled, exact = (prepare_views(data, MANY, views, d) for d in (decode, "exact"))
    errors: NDArray[np.float32] = np.abs(scaled - exact).mean(axis=(1, 2, 3))
    return errors


@pytest.mark.parametrize("vertical", [False, True])
def test_blur_of_fine_structure_is_compensated(
    vertical: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripes of three pixels of the view, in a photo that is just large enough for an eighth."""
    monkeypatch.setitem(DECODINGS, "plain", Decoding(1.5, compensated=False))
    wave = 128 + 100 * np.sin(2 * np.pi * (np.arange(2688) + 0.5) / (3 * 12))
    stripes = np.broadcast_to(wave[:, None].astype(np.uint8), (2688, 2688))
    data = encoded(Image.fromarray(stripes.T if vertical else stripes), quality=95)
    contrast = {decode: prepare(data, MANY, decode).std() for decode in DECODINGS}
    assert contrast["plain"] < 0.95 * contrast["exact"]
    assert abs(contrast["fast"] - contrast["exact"]) < 0.03 * contrast["exact"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_padding_of_the_last_blocks_is_not_part_of_the_photo(
    orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An eighth of 2889 x 2713 pixels is 361.125 x 339.125, decoded as 362 x 340."""
    monkeypatch.setitem(DECODINGS, "plain", Decoding(1.5, compensated=False))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = LARGE.resize((2889, 2713), Image.Resampling.BICUBIC)
    data = encoded(picture, quality=90, exif=exif)
    assert (error(data, "fast") < 0.5 * error(data, "plain")).all()


def test_each_choice_of_the_setting_is_a_rule() -> None:
    assert options()["decode"].wanted == f"one of {', '.join(DECODINGS)}"


def test_large_photo_is_turned_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encoded(LARGE.transpose(Image.Transpose.ROTATE_90), quality=90, exif=turned)
    for decode in DECODINGS:
        upright = prepare(encoded(LARGE, quality=90), MANY, decode)
        assert np.abs(prepare(data, MANY, decode) - upright).mean() < 0.02
    assert Image.open(io.BytesIO(thumbnail(data, 100, MANY))).size == (100, 100)


def test_truncated_large_photo_is_rejected() -> None:
    data = encoded(LARGE)
    with pytest.raises(PhotoError, match="damaged or truncated"):
        prepare(data[: len(data) // 2], MANY)


def test_pixel_limit_applies_to_the_original_size() -> None:
    with pytest.raises(PhotoError, match="more than 3 megapixels"):
        prepare(encoded(LARGE), 3 * 10**6)
