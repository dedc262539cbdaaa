"""Near-duplicates: groups of photos that are more alike than two photos of one crate are."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from fruits.results.tables import Keys
from fruits.storage import Folder
from fruits.suspects.neighbours import Indices, leaves, nearest
from fruits.suspects.photos import Placed, rows_of

SAME = 0.6
"""Photos at least this similar are near-duplicates. See docs/check.md for other values."""
SAME_RAW = 0.95
"""As `SAME`, of so few photos that their features are taken as they are."""
_COPIES = 16  # neighbours looked at per photo: as many copies of one photo are found at once
_LEAF, _TREES = 4_096, 8
_SLACK = 0.15  # sketches may show a similarity this much too low
_MAX_CANDIDATES = 50_000  # pairs of sketches to compare exactly, the most similar first

Pair = tuple[int, int, float]  # two rows, and their similarity


def groups(placed: Placed, folder: Folder, keys: Keys) -> list[dict[int, Pair]]:
    """Groups of near-duplicates, each as {row: its most similar pair}."""
    same = SAME_RAW if placed.space.whitening is None else SAME
    if placed.coordinates is None:
        return connected(_pairs(placed, placed.sample, same))
    candidates: dict[tuple[int, int], float] = {}
    for rows in leaves(placed.coordinates, _LEAF, _TREES):
        candidates |= {pair[:2]: pair[2] for pair in _pairs(placed, rows, same - _SLACK)}
    likely = sorted(candidates, key=lambda pair: -candidates[pair])[:_MAX_CANDIDATES]
    return connected(_exactly(likely, placed, folder, keys, same))


def _pairs(placed: Placed, rows: Indices, at_least: float) -> Iterator[Pair]:
    """The pairs among these rows, each once, that are at least so similar."""
    found, cosines = nearest(placed.places, rows, rows, _COPIES)
    first, rank = (cosines >= at_least).nonzero()
    ours, others = rows[first], found[first, rank]
    both = np.stack([np.minimum(ours, others), np.maximum(ours, others)])
    pairs, once = np.unique(both, axis=1, return_index=True)
    return zip(*pairs.tolist(), cosines[first, rank][once].tolist(), strict=True)


def _exactly(
    pairs: list[tuple[int, int]], placed: Placed, folder: Folder, keys: Keys, at_least: float
) -> list[Pair]:
    """The pairs that are at least so similar by all their features, which are read again."""
    if not pairs:
        return []
    rows, position = np.unique(np.array(pairs), return_inverse=True)
    places = placed.space.placed(rows_of(folder, keys, rows))
    one, other = position.reshape(-1, 2).T
    cosine: NDArray[np.float32] = np.einsum("ij,ij->i", places[one], places[other])
    exact = zip(pairs, cosine.tolist(), strict=True)
    return [(*pair, value) for pair, value in exact if value >= at_least]


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
