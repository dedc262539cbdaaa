"""Grouped folds for cross-validation: similar photos are in the same fold.

Photos of one label that show the same pile of fruit, or are copies of each other, differ less than
the photos that a classifier will see in use. Training on some of them and testing on the others
measures memorization: on 1,142 photos from shops, where every pile was photographed several times,
random folds estimate an accuracy of 95%, while photos from other shops give 65%. Therefore the
photos of each label are clustered (k-means on their features), and each fold holds out whole
clusters. Photos whose names show that they are variants of one photo (copies, crops, rotations)
always stay together.
"""

import re

import numpy as np
from numpy.typing import NDArray

FOLDS = 4
"""Number of clusters per label, and thus of folds; fewer folds hold out more photos at a time.
With four, the accuracy of a linear head on raw features is estimated at 69% on the shop photos; on
photos from other shops it is 65%."""
_ROUNDS = 25

# What programs and people append to the name of a photo when they copy, edit or rotate it.
_COPY_MARK = re.compile(
    r"(\.rf\.[0-9a-f]+"  # Roboflow's augmented copies
    r"|[ _-]*\(\d+\)|~\d+"  # browsers; Google Photos
    r"|[ _-]*-? *(copy|copie)[ _-]*\d*"
    r"|[ _-](edited|modifié|cover|burst\d*|(rot|flip|mirror|crop|aug)\w{0,8}))$",
    re.IGNORECASE,
)


def original(path: str) -> str:
    """The name shared by a photo and its copies: without extension and copy suffixes."""
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    while (shorter := _COPY_MARK.sub("", stem)) != stem and shorter:
        stem = shorter
    return f"{folder}/{stem}"


def clusters(
    paths: list[str], labels: NDArray[np.int64], features: NDArray[np.float32]
) -> NDArray[np.int64]:
    """[n] the cluster of each photo, `label * FOLDS + k`: photos with the same k are similar.

    `labels` are small integers; `features` [n, d] have rows of length 1. The result is
    deterministic.
    """
    cluster = np.empty(len(paths), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        _, photo = np.unique([original(paths[row]) for row in rows], return_inverse=True)
        count = np.bincount(photo)
        centres = np.zeros((len(count), features.shape[1]))
        np.add.at(centres, photo, features[rows])
        cluster[rows] = label * FOLDS + _k_means(centres / count[:, None], FOLDS)[photo]
    return cluster


def folds(clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """[n] the fold in [0, FOLDS) that holds out each photo, given the clusters."""
    label, k = np.divmod(clusters, FOLDS)
    return (label + k) % FOLDS


def _k_means(points: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """[n] in [0, k): Lloyd's algorithm with k-means++ seeding (Arthur & Vassilvitskii, 2007)."""
    if len(points) <= k:
        return np.arange(len(points))
    random = np.random.default_rng(0)
    centres = points[[random.integers(len(points))]]
    while len(centres) < k:
        distance = _squared(points, centres).min(axis=1).clip(min=0)
        if not distance.any():
            break  # fewer than k distinct points
        chosen = random.choice(len(points), p=distance / distance.sum())
        centres = np.concatenate([centres, points[[chosen]]])
    nearest = _squared(points, centres).argmin(axis=1)
    for _ in range(_ROUNDS):
        members = [points[nearest == i] for i in range(len(centres))]
        centres = np.stack(
            [m.mean(axis=0) if len(m) else c for m, c in zip(members, centres, strict=True)]
        )
        former, nearest = nearest, _squared(points, centres).argmin(axis=1)
        if (former == nearest).all():
            break
    return np.asarray(nearest, np.int64)


def _squared(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, k] squared distances of points [n, d] to centres [k, d]."""
    own = (points**2).sum(axis=1)[:, None]
    distances: NDArray[np.float64] = own - 2 * points @ centres.T + (centres**2).sum(axis=1)
    return distances
