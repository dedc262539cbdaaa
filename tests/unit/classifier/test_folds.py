"""Cross-validation keeps what is alike on one side."""

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
def test_a_copy_is_known_by_its_name(copy: str) -> None:
    assert original(copy) == original("Lime/img.jpg")


@pytest.mark.parametrize(
    "other", ["Lime/img2.jpg", "Lemon/img.jpg", "Lime/img_0412.jpg", "(1).jpg"]
)
def test_another_photo_is_no_copy(other: str) -> None:
    assert original(other) != original("Lime/img.jpg")


def unit_rows(n: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(n, 16))
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / lengths).astype(np.float32)


def test_photos_of_one_heap_share_a_fold() -> None:
    heaps = unit_rows(8)
    heap = np.repeat(np.arange(8), 10)  # four of each label, ten photos of each
    features = (heaps[heap] + 0.01 * unit_rows(80, seed=1)).astype(np.float32)
    found = folds(clusters([f"{i}.jpg" for i in range(80)], heap // 4, features))
    for each in range(8):
        assert len(set(found[heap == each])) == 1
    for label in range(2):
        assert set(found[heap // 4 == label]) == set(range(FOLDS))


def test_copies_share_a_fold_however_different_they_look() -> None:
    names = [f"{i}.jpg" for i in range(20)] + [f"{i}_flip.jpg" for i in range(20)]
    found = folds(clusters(names, np.zeros(40, int), unit_rows(40)))
    assert (found[:20] == found[20:]).all()


def test_the_same_photos_give_the_same_folds() -> None:
    names, labels = [f"{i}.jpg" for i in range(50)], np.arange(50) % 3
    one, other = (clusters(names, labels, unit_rows(50)) for _ in range(2))
    assert (one == other).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_photos_get_a_fold_each(count: int) -> None:
    found = folds(
        clusters([f"{i}.jpg" for i in range(count)], np.zeros(count, int), unit_rows(count))
    )
    assert len(set(found)) == count


def test_photos_that_are_all_the_same_are_one_look() -> None:
    same = np.repeat(unit_rows(1), 9, axis=0)
    assert len(set(clusters([f"{i}.jpg" for i in range(9)], np.zeros(9, int), same))) == 1
