"""Near-duplicates: groups of photos that are more alike than two photos of one crate are."""

from collections.abc import Iterable, Iterator

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


def groups(placed: Placed, folder: Folder, keys: Keys) -> list[dict[int, Pair]]:
    """Groups of near-duplicates, each as {row: its most similar pair}."""
    crowd = np.zeros(len(placed.places), np.float32)
    if placed.coordinates is None:
        pairs = _pairs(placed, placed.sample, crowd, 0)
        return connected(_same(placed, pairs, crowd))
    candidates: dict[tuple[int, int], float] = {}
    for rows in leaves(placed.coordinates, _LEAF, _TREES):
        candidates |= {pair[:2]: pair[2] for pair in _pairs(placed, rows, crowd, _SLACK)}
    likely = sorted(candidates, key=lambda pair: -candidates[pair])[:_MAX_CANDIDATES]
    return connected(_same(placed, _exactly(likely, placed, folder, keys), crowd))


def _pairs(
    placed: Placed, rows: Indices, crowd: NDArray[np.float32], slack: float
) -> Iterator[Pair]:
    """The pairs among these rows that may be the same, each once; updates how crowded it is."""
    found, cosines = nearest(placed.places, rows, rows, _COPIES)
    crowd[rows] = np.maximum(crowd[rows], cosines[:, :_CROWD].clip(min=0).mean(axis=1))
    first, rank = (cosines >= min(_SAME, _SURE_RAW) - slack).nonzero()
    both = np.sort(np.stack([rows[first], found[first, rank]]), axis=0)
    once, at = np.unique(both, axis=1, return_index=True)
    return zip(*once.tolist(), cosines[first, rank][at].tolist(), strict=True)


def _same(placed: Placed, pairs: Iterable[Pair], crowd: NDArray[np.float32]) -> Iterator[Pair]:
    """The pairs that are near-duplicates."""
    raw = placed.space.whitening is None
    for one, other, similarity in pairs:
        least = min(_SAME + float(crowd[one] + crowd[other]) / 4, _SURE)
        if similarity >= (_SURE_RAW if raw else least):
            yield one, other, similarity


def _exactly(
    pairs: list[tuple[int, int]], placed: Placed, folder: Folder, keys: Keys
) -> Iterator[Pair]:
    """The pairs with their similarity by all features, which are read again."""
    if not pairs:
        return
    rows, position = np.unique(np.array(pairs), return_inverse=True)
    places = placed.space.placed(rows_of(folder, keys, rows))
    one, other = position.reshape(-1, 2).T
    cosine = np.einsum("ij,ij->i", places[one], places[other])
    for pair, value in zip(pairs, cosine.tolist(), strict=True):
        yield *pair, value


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
