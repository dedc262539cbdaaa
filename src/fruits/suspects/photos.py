"""The photos to check, each placed among the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.classifier.classifier import unit
from fruits.progress import Count
from fruits.results import tables
from fruits.results.tables import Keys
from fruits.storage import Folder
from fruits.suspects.neighbours import Indices, Places, nearest
from fruits.suspects.space import Rows, Space, principal

EXACT = 10_000
"""Up to this many photos are compared by all their features. Of more, as many are a sample, and the
others are kept as sketches, of half a kilobyte each."""
SKETCH = 256
"""Dimensions of a sketch: a random projection that keeps similarities within 0.06 or so (Johnson &
Lindenstrauss, 1984)."""
COORDINATES = 32
"""Principal components, by which photos that lie close together are found."""
VOTES, NEAR = 20, 5
"""Nearest photos that vote on a label, and that an outlier is far from. See docs/check.md for other
values."""

Nearest = tuple[NDArray[np.integer[Any]], NDArray[np.float32]]
"""Which rows are nearest, and how similar they are."""


@dataclass(frozen=True)
class Placed:
    """n photos in a space."""

    space: Space
    places: Places  # [n, k] rows of length 1, or their sketches
    sample: Indices  # rows to compare all photos with; all rows, if these are few
    votes: Nearest  # [n, VOTES] of the sample, in the space
    near: Nearest  # [n, NEAR] of the sample, by features as they are
    coordinates: Places | None  # [n, COORDINATES] if places are sketches


def place(folder: Folder, keys: Keys, limit: int = EXACT, count: Count | None = None) -> Placed:
    """Reads the features of all photos, file by file, and places them.

    Beyond `limit` photos, less than a kilobyte of each is in memory; these are counted.
    """
    paths = keys.rows["path"].to_pylist()
    if len(paths) <= limit:
        features = np.concatenate([rows for _, rows in _features(folder, keys)])
        space, all_rows = Space.of(features), np.arange(len(paths))
        places = space.placed(features)
        votes: Nearest = nearest(places, all_rows, all_rows, VOTES)
        near: Nearest = nearest(unit(features), all_rows, all_rows, NEAR)
        return Placed(space, places, all_rows, votes, near, None)
    # An even sample, which the next check takes again: it depends only on the paths.
    order = np.argsort([crc32(path.encode("utf-8", "surrogateescape")) for path in paths])
    sample = np.sort(order[:limit])
    sampled = rows_of(folder, keys, sample)
    space, axes = Space.of(sampled), principal(sampled, COORDINATES)
    placed_sample, sampled = space.placed(sampled), unit(sampled)
    random = np.random.default_rng(0)
    dimensions = len(space.mean)
    projection = random.standard_normal((dimensions, SKETCH)).astype(np.float32)
    places = np.empty((len(paths), SKETCH), np.float16)
    coordinates = np.empty((len(paths), axes.shape[1]), np.float32)
    votes, near = _empty(len(paths), VOTES), _empty(len(paths), NEAR)
    if count:
        count.begin(len(paths), "photos")
    for start, rows in _features(folder, keys):
        end = start + len(rows)
        placed = space.placed(rows)
        places[start:end] = unit(placed @ projection)
        coordinates[start:end] = unit(rows) @ axes
        for table, ours, theirs in (
            (votes, placed, placed_sample),
            (near, unit(rows), sampled),
        ):
            found = _nearest_of_sample(ours, np.arange(start, end), theirs, sample, table)
            table[0][start:end], table[1][start:end] = found
        if count:
            count.add(len(rows))
    return Placed(space, places, sample, votes, near, coordinates)


def _empty(rows: int, count: int) -> Nearest:
    return np.empty((rows, count), np.int32), np.empty((rows, count), np.float32)


def _nearest_of_sample(
    rows: Rows, numbers: Indices, sampled: Rows, sample: Indices, table: Nearest
) -> Nearest:
    """As `nearest`, of rows with these numbers, among those of the sample."""
    count = table[0].shape[1]
    ours = len(sampled) + np.arange(len(rows))
    both = np.concatenate([sampled, rows])
    found, cosines = nearest(both, ours, np.arange(len(sampled)), count + 1)
    found = sample[found]
    # A row of the sample is itself among its nearest.
    itself = found == numbers[:, None]
    cosines[itself] = -np.inf
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(cosines, order, axis=1)


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
