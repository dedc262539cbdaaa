"""The photos to check, each placed among the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.classifier.classifier import unit
from fruits.results import tables
from fruits.results.tables import Keys
from fruits.storage import Folder
from fruits.suspects.neighbours import Indices, Places, nearest
from fruits.suspects.space import Rows, Space

EXACT = 10_000
"""Up to this many photos are compared by all their features. Of more, as many are a sample, and the
others are kept as sketches, of half a kilobyte each."""
SKETCH = 256
"""Dimensions of a sketch: a random projection that keeps similarities within 0.06 or so (Johnson &
Lindenstrauss, 1984)."""
NEAR = 5
COORDINATES = 32
"""Principal components, by which photos that lie close together are found."""


@dataclass(frozen=True)
class Placed:
    """n photos in a space."""

    space: Space
    places: Places  # [n, k] rows of length 1, or their sketches
    sample: Indices  # rows to compare all photos with; all rows, if these are few
    near: tuple[Indices, Rows]  # [n, NEAR] the nearest of the sample by raw features, how similar
    coordinates: Places | None  # [n, COORDINATES] if places are sketches


def place(folder: Folder, keys: Keys, limit: int = EXACT) -> Placed:
    """Reads the features of all photos, file by file, and places them.

    Beyond `limit` photos, a kilobyte or less of each is in memory.
    """
    paths = keys.rows["path"].to_pylist()
    if len(paths) <= limit:
        features = np.concatenate([rows for _, rows in _features(folder, keys)])
        space, all_rows = Space.of(features), np.arange(len(paths))
        near = nearest(unit(features), all_rows, all_rows, NEAR)
        return Placed(space, space.placed(features), all_rows, near, None)
    # An even sample, which the next check takes again: it depends only on the paths.
    order = np.argsort([crc32(path.encode("utf-8", "surrogateescape")) for path in paths])
    sample = np.sort(order[:limit])
    sampled = rows_of(folder, keys, sample)
    space, sampled = Space.of(sampled), unit(sampled)
    random = np.random.default_rng(0)
    dimensions = len(space.mean)
    projection = random.standard_normal((dimensions, SKETCH)).astype(np.float32)
    places = np.empty((len(paths), SKETCH), np.float16)
    coordinates = np.empty((len(paths), COORDINATES), np.float32)
    near = np.empty((len(paths), NEAR), np.int64), np.empty((len(paths), NEAR), np.float32)
    for start, rows in _features(folder, keys):
        end = start + len(rows)
        placed = space.placed(rows) @ projection
        places[start:end] = placed / np.linalg.norm(placed, axis=1, keepdims=True)
        coordinates[start:end] = space.components(rows, COORDINATES)
        near[0][start:end], near[1][start:end] = _near(rows, np.arange(start, end), sampled, sample)
    return Placed(space, places, sample, near, coordinates)


def _near(rows: Rows, numbers: Indices, sampled: Rows, sample: Indices) -> tuple[Indices, Rows]:
    """As `Placed.near`, of some rows."""
    ours = len(sampled) + np.arange(len(rows))
    both = np.concatenate([sampled, unit(rows)])
    found, cosines = nearest(both, ours, np.arange(len(sampled)), NEAR + 1)
    found = sample[found]
    # A row of the sample is the nearest to itself.
    skip = (found[:, 0] == numbers).astype(int)[:, None] + np.arange(NEAR)
    return np.take_along_axis(found, skip, axis=1), np.take_along_axis(cosines, skip, axis=1)


def rows_of(folder: Folder, keys: Keys, wanted: Indices) -> Rows:
    """[len(wanted), d] the features of these rows, which are sorted."""
    parts = []
    for start, rows in _features(folder, keys):
        first, last = np.searchsorted(wanted, [start, start + len(rows)])
        parts.append(rows[wanted[first:last] - start])
    return np.concatenate(parts)


def _features(folder: Folder, keys: Keys) -> Iterator[tuple[int, Rows]]:
    """Of each file, the index of its first row, and its features."""
    start = 0
    for table in tables.read_each(folder, keys.files, ["features"]):
        column: pa.Array = table["features"].combine_chunks()
        if len(table):
            rows: NDArray[np.float32] = column.flatten().to_numpy().reshape(len(table), -1)
            yield start, rows
        start += len(table)
