"""The nearest photos of each photo, in blocks: never all similarities at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]

_BLOCK = 16 * 2**20
"""Similarities in memory at a time: 64 MB."""


def nearest(
    places: Places, rows: Indices, among: Indices, count: int
) -> tuple[Indices, NDArray[np.float32]]:
    """For each of `rows`, its nearest other places of `among`: (which, how similar), the nearest
    first.

    `places` [n, k] have length 1; `rows` and `among` are indices into them. Where there are fewer
    than `count` others, the similarity of the missing ones is -inf.
    """
    others = places[among].astype(np.float32)
    count = min(count, len(among))
    block = max(1, _BLOCK // max(1, len(among)))
    position = np.full(len(places), -1)
    position[among] = np.arange(len(among))
    found = np.empty((len(rows), count), np.int64)
    cosines = np.empty((len(rows), count), np.float32)
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        cosine = places[part].astype(np.float32) @ others.T
        (inside,) = (position[part] >= 0).nonzero()
        cosine[inside, position[part][inside]] = -np.inf  # itself
        best = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        value = np.take_along_axis(cosine, best, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        found[start : start + block] = among[np.take_along_axis(best, order, axis=1)]
        cosines[start : start + block] = np.take_along_axis(value, order, axis=1)
    return found, cosines


def leaves(coordinates: Places, size: int, trees: int) -> Iterator[Indices]:
    """Sets of at most `size` rows that lie close together: the leaves of random projection trees.

    Each tree halves the rows at the median of a random direction, until they are few (Dasgupta &
    Freund, "Random projection trees and low dimensional manifolds", STOC 2008). Two rows that are
    nearly the same fall on two sides now and then, so there are several trees.
    """
    random = np.random.default_rng(0)
    for _ in range(trees):
        waiting = [np.arange(len(coordinates))]
        while waiting:
            rows = waiting.pop()
            if len(rows) <= size:
                yield rows
                continue
            direction = random.standard_normal(coordinates.shape[1])
            order = np.argsort(coordinates[rows] @ direction, kind="stable")
            half = len(rows) // 2
            waiting += [rows[order[:half]], rows[order[half:]]]
