"""Near-duplicates: groups of photos that are more alike than two photos of one crate are."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fruits.results.tables import Keys
from fruits.storage import Folder
from fruits.suspects.neighbours import Indices, leaves, nearest
from fruits.suspects.photos import Placed, rows_of

_SAME, _LIKELY = 0.43, 0.27
"""Least similarity of near-duplicates, less half of how crowded it is around them: where there are
many photos of one crate, they are all alike. (This is half of the CSLS of Conneau et al., "Word
Translation Without Parallel Data", ICLR 2018.) From the second on, pairs are likely, and their
pixels decide; from the first on, without pixels. See docs/check.md for other values."""
_RAW_SAME, _RAW_LIKELY = 0.93, 0.85
"""Of so few photos that their features are taken as they are: the least similarities."""
_CROWD = 6  # nearest photos that tell how crowded it is
_SURE = 0.65
"""From this similarity on, however crowded: many copies of one photo are a crowd, too."""
_COPIES = 16  # neighbours looked at per photo: as many copies of one photo are found at once
_LEAF, _TREES = 4_096, 8
_SLACK = 0.15  # by which sketches may show a similarity too low
_MAX_CANDIDATES = 20_000  # pairs of sketches to compare exactly, the most similar first
_MAX_COMPARED = 250  # pairs whose photos are read, the most similar first

Pair = tuple[int, int, float]  # two rows, and their similarity
Compare = Callable[[list[tuple[int, int]]], list[bool | None]]


def groups(placed: Placed, folder: Folder, keys: Keys, compare: Compare) -> list[dict[int, Pair]]:
    """Groups of near-duplicates, each as {row: its most similar pair}.

    `compare` says of pairs of rows whether their photos are copies; None if it can't be said.
    """
    crowd = np.zeros(len(placed.places), np.float32)
    if placed.coordinates is None:
        found, alike = placed.votes
        nearest_few = found[:, :_COPIES], alike[:, :_COPIES]
        pairs = _listed(*_pairs(placed.sample, *nearest_few, crowd, 0))
    else:
        both, cosines = np.empty((0, 2), np.int64), np.empty(0, np.float32)
        for rows in leaves(placed.coordinates, _LEAF, _TREES):
            nearest_few = nearest(placed.places, rows, rows, _COPIES)
            more, theirs = _pairs(rows, *nearest_few, crowd, _SLACK)
            # Other trees have found some of these.
            both, once = np.unique(np.concatenate([both, more]), axis=0, return_index=True)
            cosines = np.concatenate([cosines, theirs])[once]
            if len(both) > _MAX_CANDIDATES:
                kept = np.argpartition(-cosines, _MAX_CANDIDATES)[:_MAX_CANDIDATES]
                both, cosines = both[kept], cosines[kept]
        pairs = _exactly(both, placed, folder, keys)
    likely = sorted(_alike(placed, pairs, crowd), key=lambda found: -found[0][2])
    said = compare([pair[:2] for pair, _ in likely[:_MAX_COMPARED]])
    said += [None] * (len(likely) - len(said))
    return connected(
        pair
        for (pair, sure), copies in zip(likely, said, strict=True)
        if copies or (copies is None and sure)
    )


def _pairs(
    rows: Indices,
    found: NDArray[np.integer[Any]],
    cosines: NDArray[np.float32],
    crowd: NDArray[np.float32],
    slack: float,
) -> tuple[Indices, NDArray[np.float32]]:
    """The pairs [m, 2] of rows and of the nearest ones found for them that may be the same, each
    once, and their similarities.

    Updates how crowded it is around the rows.
    """
    crowd[rows] = np.maximum(crowd[rows], cosines[:, :_CROWD].clip(min=0).mean(axis=1))
    first, rank = (cosines >= _LIKELY - slack).nonzero()
    both = np.sort(np.stack([rows[first], found[first, rank]], axis=1), axis=1)
    once, at = np.unique(both, axis=0, return_index=True)
    return once, cosines[first, rank][at]


def _listed(both: Indices, cosines: NDArray[np.float32]) -> list[Pair]:
    return [
        (one, other, c) for (one, other), c in zip(both.tolist(), cosines.tolist(), strict=True)
    ]


def _alike(
    placed: Placed, pairs: Iterable[Pair], crowd: NDArray[np.float32]
) -> Iterator[tuple[Pair, bool]]:
    """The pairs that are likely near-duplicates, and whether they are without doubt."""
    raw = placed.space.whitening is None
    for one, other, similarity in pairs:
        crowded = 0.0 if raw else float(crowd[one] + crowd[other]) / 4
        likely, same = (
            (_RAW_LIKELY, _RAW_SAME)
            if raw
            else (min(least + crowded, _SURE) for least in (_LIKELY, _SAME))
        )
        if similarity >= likely:
            yield (one, other, similarity), similarity >= same


def _exactly(both: Indices, placed: Placed, folder: Folder, keys: Keys) -> list[Pair]:
    """The pairs with their similarity by all features, which are read again."""
    if not len(both):
        return []
    rows, position = np.unique(both, return_inverse=True)
    places = placed.space.placed(rows_of(folder, keys, rows))
    one, other = position.reshape(-1, 2).T
    blocks = np.array_split(np.arange(len(both)), len(both) // 4096 + 1)
    cosines = [np.einsum("ij,ij->i", places[one[b]], places[other[b]]) for b in blocks]
    return _listed(both, np.concatenate(cosines))


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
