"""Copies are told apart by pixels from other photos of the same things."""

from pathlib import Path

import numpy as np
import pytest
from photos import encoded, save
from pictures import MANY
from PIL import Image, ImageOps
from places import SAMPLES

from fruits.progress import Count
from fruits.suspects.pictures import are_copies, compare, reduced

PHOTO = SAMPLES / "Lime" / "lime_03.jpg"


def photo() -> Image.Image:
    return Image.open(PHOTO).convert("RGB")


COPIES = {
    "smaller": lambda image: encoded(image.resize((image.width // 2, image.height // 2))),
    "larger": lambda image: encoded(image.resize((image.width * 2, image.height * 2))),
    "recompressed": lambda image: encoded(image, quality=30),
    "mirrored": lambda image: encoded(ImageOps.mirror(image)),
    "as PNG": lambda image: encoded(image, "PNG"),
    "brighter": lambda image: encoded(image.point(lambda value: value * 0.8 + 20)),
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies(kind: str) -> None:
    assert are_copies(reduced(PHOTO.read_bytes(), MANY), reduced(COPIES[kind](photo()), MANY))


def test_another_shot_of_the_same_is_no_copy() -> None:
    image = photo()
    width, height = image.size
    moved = image.crop((width // 8, height // 10, width, height))
    assert not are_copies(reduced(PHOTO.read_bytes(), MANY), reduced(encoded(moved), MANY))


@pytest.mark.parametrize(("colour", "same"), [((200, 0, 0), True), ((90, 0, 0), False)])
def test_pictures_of_one_colour(colour: tuple[int, int, int], same: bool) -> None:
    one = np.full((48, 48, 3), (200, 0, 0), np.float32)
    other = np.full((48, 48, 3), colour, np.float32)
    assert are_copies(one, other) == same
    grey = np.full((48, 48, 3), 70, np.float32)
    assert are_copies(grey, grey)
    assert not are_copies(grey, grey + 20)


def test_photos_that_cant_be_read_are_not_judged(tmp_path: Path) -> None:
    save(tmp_path, "a.png", "green")
    save(tmp_path, "b.png", "green")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    pairs = [("a.png", "b.png"), ("a.png", "broken.jpg"), ("gone.png", "a.png")]
    count = Count()
    assert compare(str(tmp_path), pairs, MANY, count) == [True, None, None]
    assert (count.part.read()[0], count.part.total, count.part.unit) == (4, 4, "photos compared")
    assert compare(str(tmp_path / "nowhere"), pairs, MANY, Count()) == [None] * 3
    assert compare(str(tmp_path), [], MANY, Count()) == []
