"""Near-duplicates: groups of photos that are more alike than two photos of one crate are."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fruits.results.tables import Keys
from fruits.storage import Folder
from fruits.suspects.neighbours import Indices, leaves, nearest
from fruits.suspects.photos import Placed, rows_of

_SAME = 0.43
"""Least similarity of near-duplicates, less half of how crowded it is around them: where there are
many photos of one crate, they are all alike. (This is half of the CSLS of Conneau et al., "Word
Translation Without Parallel Data", ICLR 2018.) See docs/check.md for other values."""
_CROWD = 6  # nearest photos that tell how crowded it is
_SURE = 0.65
"""From this similarity on, however crowded: many copies of one photo are a crowd, too."""
_SURE_RAW = 0.95
"""The same, for so few photos that their features are taken as they are."""
_COPIES = 16  # neighbours looked at per photo: as many copies of one photo are found at once
_LEAF, _TREES = 4_096, 8
_SLACK = 0.15  # by which sketches may show a similarity too low
_MAX_CANDIDATES = 50_000  # pairs of sketches to compare exactly, the most similar first

Pair = tuple[int, int, float]  # two rows, and their similarity
AreSame = Callable[[Indices, Indices, NDArray[Any]], Any]  # masks of pairs


def groups(
    placed: Placed, cosines: NDArray[np.float32], folder: Folder, keys: Keys
) -> list[dict[int, Pair]]:
    """Groups of near-duplicates, each as {row: its most similar pair}.

    `cosines` [n, k] are the similarities of the nearest photos of each.
    """
    if placed.space.whitening is None:
        least = np.full(len(cosines), _SURE_RAW / 2)
    else:
        crowd = cosines[:, :_CROWD].clip(min=0).mean(axis=1, dtype=np.float64)
        least = _SAME / 2 + crowd / 4
    sure = _SURE if placed.space.whitening is not None else _SURE_RAW

    def are_same(one: Indices, other: Indices, cosine: NDArray[Any], slack: float = 0) -> Any:
        return cosine >= np.minimum(least[one] + least[other], sure) - slack

    if placed.coordinates is None:
        return connected(_pairs(placed, placed.sample, are_same))
    candidates: dict[tuple[int, int], float] = {}
    for rows in leaves(placed.coordinates, _LEAF, _TREES):
        likely = _pairs(placed, rows, partial(are_same, slack=_SLACK))
        candidates |= {pair[:2]: pair[2] for pair in likely}
    pairs = sorted(candidates, key=lambda pair: -candidates[pair])[:_MAX_CANDIDATES]
    return connected(_exactly(pairs, placed, folder, keys, are_same))


def _pairs(placed: Placed, rows: Indices, are_same: AreSame) -> Iterator[Pair]:
    """The pairs among these rows that are the same, each once."""
    found, cosines = nearest(placed.places, rows, rows, _COPIES)
    ours = np.repeat(rows, found.shape[1])
    pairs = np.stack([ours, found.ravel(), np.arange(found.size)])[
        :, are_same(ours, found.ravel(), cosines.ravel())
    ]
    both = np.sort(pairs[:2], axis=0)
    once, first = np.unique(both, axis=1, return_index=True)
    return zip(*once.tolist(), cosines.ravel()[pairs[2, first]].tolist(), strict=True)


def _exactly(
    pairs: list[tuple[int, int]], placed: Placed, folder: Folder, keys: Keys, are_same: AreSame
) -> list[Pair]:
    """The pairs that are the same by all their features, which are read again."""
    if not pairs:
        return []
    rows, position = np.unique(np.array(pairs), return_inverse=True)
    places = placed.space.placed(rows_of(folder, keys, rows))
    one, other = position.reshape(-1, 2).T
    cosine = np.einsum("ij,ij->i", places[one], places[other])
    same = are_same(rows[one], rows[other], cosine)
    return [
        (*pair, value)
        for pair, value, yes in zip(pairs, cosine.tolist(), same.tolist(), strict=True)
        if yes
    ]


def connected(pairs: Iterable[Pair]) -> list[dict[int, Pair]]:
    """The sets of rows that pairs connect, each as {row: its most similar pair}."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while (above := parent.setdefault(row, row)) != row:
            parent[row] = row = parent.setdefault(above, above)
        return row

    best: dict[int, Pair] = {}
    for pair in pairs:
        parent[root(pair[0])] = root(pair[1])
        for row in pair[:2]:
            if row not in best or pair[2] > best[row][2]:
                best[row] = pair
    members: dict[int, dict[int, Pair]] = {}
    for row, pair in best.items():
        members.setdefault(root(row), {})[row] = pair
    return list(members.values())
