"""Cross-validation keeps similar photos in the same fold."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fruits.classifier.folds import FOLDS, clusters, folds, original


@pytest.mark.parametrize(
    "copy",
    [
        "Lime/img (1).jpg",
        "Lime/img~2.jpg",
        "Lime/img - Copy.jpg",
        "Lime/img copie 2.jpg",
        "Lime/img-edited.png",
        "Lime/img_rot90.jpg",
        "Lime/img_flipped.jpg",
        "Lime/img_aug3_crop1.jpg",
        "Lime/img.rf.0a1b2c3d4e5f.jpg",
        "Lime/img_BURST012_COVER.jpg",
    ],
)
def test_copies_are_recognised_by_name(copy: str) -> None:
    assert original(copy) == original("Lime/img.jpg")


@pytest.mark.parametrize(
    "other", ["Lime/img2.jpg", "Lemon/img.jpg", "Lime/img_0412.jpg", "(1).jpg"]
)
def test_other_photos_are_not_copies(other: str) -> None:
    assert original(other) != original("Lime/img.jpg")


def unit_rows(n: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(n, 16))
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / lengths).astype(np.float32)


def test_photos_of_a_cluster_share_a_fold() -> None:
    centres = unit_rows(8)
    cluster = np.repeat(np.arange(8), 10)  # ten photos per cluster, four clusters per label
    features = (centres[cluster] + 0.01 * unit_rows(80, seed=1)).astype(np.float32)
    assigned = folds(clusters([f"{i}.jpg" for i in range(80)], cluster // 4, features))
    for i in range(8):
        assert len(set(assigned[cluster == i])) == 1
    for label in range(2):
        assert set(assigned[cluster // 4 == label]) == set(range(FOLDS))


def test_copies_share_a_fold_even_if_they_look_different() -> None:
    names = [f"{i}.jpg" for i in range(20)] + [f"{i}_flip.jpg" for i in range(20)]
    assigned = folds(clusters(names, np.zeros(40, int), unit_rows(40)))
    assert (assigned[:20] == assigned[20:]).all()


def test_the_same_photos_give_the_same_folds() -> None:
    names, labels = [f"{i}.jpg" for i in range(50)], np.arange(50) % 3
    one, other = (clusters(names, labels, unit_rows(50)) for _ in range(2))
    assert (one == other).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_of_a_few_photos_gets_its_own_fold(count: int) -> None:
    assigned = folds(
        clusters([f"{i}.jpg" for i in range(count)], np.zeros(count, int), unit_rows(count))
    )
    assert len(set(assigned)) == count


def test_identical_photos_form_one_cluster() -> None:
    same = np.repeat(unit_rows(1), 9, axis=0)
    assert len(set(clusters([f"{i}.jpg" for i in range(9)], np.zeros(9, int), same))) == 1
