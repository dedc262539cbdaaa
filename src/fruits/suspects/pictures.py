"""Whether two photos are copies of one picture, by their pixels.

Two photos of one crate, taken one after the other from one place, can have features as alike as
two copies. Their pixels tell them apart: a copy is in register, another shot hardly ever is. Only
photos that are nearly the same by their features are compared; none is featurized.
"""

from collections.abc import Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fruits.errors import FruitsError
from fruits.photos.decode import rgb
from fruits.photos.decode_ahead import decode_ahead
from fruits.progress import Count
from fruits.storage import open_folder

_SIDE = 48  # pixels
_CORRELATION = 0.92
"""Least correlation of the pixels of copies. See docs/check.md for other values."""
_FLAT = 2.0
"""Grey levels: pictures that vary less, as of one colour, have no correlation."""

Picture = NDArray[np.float32]


def compare(
    photos: str, pairs: Sequence[tuple[str, str]], max_pixels: int, count: Count
) -> list[bool | None]:
    """Whether the photos of each pair are copies, also mirrored; None if one can't be read.

    `photos` is the address of their folder; photos are counted as they are read.
    """
    paths = list(dict.fromkeys(path for pair in pairs for path in pair))
    pictures = _pictures(photos, paths, max_pixels, count)
    return [
        are_copies(pictures[one], pictures[other]) if {one, other} <= pictures.keys() else None
        for one, other in pairs
    ]


def are_copies(one: Picture, other: Picture) -> bool:
    """Whether two pictures [_SIDE, _SIDE, 3] are the same, or each other's mirror image."""
    return any(_correlation(one, turned) >= _CORRELATION for turned in (other, other[:, ::-1]))


def _correlation(one: Picture, other: Picture) -> float:
    colour, other_colour = one.mean(axis=(0, 1)), other.mean(axis=(0, 1))
    a, b = one - colour, other - other_colour
    if max(a.std(), b.std()) < _FLAT:
        return float(np.abs(colour - other_colour).max() < _FLAT)
    return float((a * b).mean() / max(float(a.std() * b.std()), 1e-6))


def reduced(data: bytes, max_pixels: int) -> Picture:
    """A photo's bytes -> its whole picture, [_SIDE, _SIDE, 3].

    Raises:
        PhotoError: as `rgb`.
    """
    picture = rgb(data, max_pixels, 2 * _SIDE)
    return np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)


def _pictures(
    photos: str, paths: Sequence[str], max_pixels: int, count: Count
) -> dict[str, Picture]:
    """The pictures of these photos, without those that can't be read any more."""
    pictures: dict[str, Picture] = {}
    count.begin(len(paths), "photos compared")

    def decode(data: bytes) -> bytes:
        return reduced(data, max_pixels).tobytes()

    try:
        with closing(decode_ahead(open_folder(photos), paths, decode)) as files:
            for path, data in files:
                count.add()
                if isinstance(data, bytes):  # else the photo has changed since
                    pixels = np.frombuffer(data, np.float32)
                    pictures[path] = pixels.reshape(_SIDE, _SIDE, 3)
    except FruitsError:
        return {}  # the photos are not accessible from here: the features decide
    return pictures
