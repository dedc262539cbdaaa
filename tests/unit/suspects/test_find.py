"""What is found in features that are made here: crates, copies, wrong labels, other things."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from fruits.results import tables
from fruits.storage import open_folder
from fruits.suspects.find import Compare, find
from fruits.suspects.neighbours import leaves, nearest
from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER

D = 640
Row = dict[str, Any]


def photos(
    labels: int = 4, crates: int = 5, shots: int = 8
) -> tuple[NDArray[np.float32], list[str]]:
    """Features of the photos of some crates of each label, and their labels."""
    random = np.random.default_rng(0)
    centres = np.abs(random.normal(size=(labels, 1, 1, D)))
    crate = 0.5 * random.normal(size=(labels, crates, 1, D))
    shot = 0.5 * random.normal(size=(labels, crates, shots, D))
    features = np.abs(centres + crate + shot).reshape(-1, D).astype(np.float32)
    return features, [f"label {i}" for i in range(labels) for _ in range(crates * shots)]


def rows_of(
    home: Path,
    features: NDArray[np.float32],
    labels: list[str] | list[None] | list[str | None],
    limit: int = 10_000,
    compare: Compare | None = None,
) -> list[Row]:
    """What is found in these features; their paths are `0.jpg`, `1.jpg` …, in several files."""
    folder = open_folder(home)
    names = []
    for start in range(0, len(labels), 50):
        part = slice(start, start + 50)
        count = len(labels[part])
        table = pa.table(
            {
                "path": pa.array([f"{start + i}.jpg" for i in range(count)]),
                "label": pa.array(labels[part], pa.string()),
                "features": pa.array(list(features[part]), pa.list_(pa.float32())),
            }
        )
        names.append(tables.new_file("features"))
        tables.write(folder, names[-1], table)
    found: list[Row] = find(folder, names, limit, compare).to_pylist()
    return found


def of_kind(rows: list[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def with_copies(
    features: NDArray[np.float32], labels: list[str], of: list[int]
) -> tuple[NDArray[np.float32], list[str]]:
    noise = np.random.default_rng(1).normal(size=(len(of), D)) * 0.03
    copies = (features[of] + noise).astype(np.float32)
    return np.concatenate([features, copies]), labels + [labels[i] for i in of]


def groups(rows: list[Row]) -> list[set[str]]:
    numbers = dict.fromkeys(row["group"] for row in rows)
    return [{row["path"] for row in rows if row["group"] == number} for number in numbers]


@pytest.mark.parametrize("limit", [10_000, 100])
def test_copies_are_told_apart_from_photos_of_the_same_crate(tmp_path: Path, limit: int) -> None:
    """With a lower limit, photos are sketched, and compared in leaves, as beyond 10,000."""
    features, labels = with_copies(*photos(), of=[3, 77, 150])
    labels[161] = "label 3"  # the copy of 77, which is of label 1
    rows = of_kind(rows_of(tmp_path, features, labels, limit=limit), DUPLICATE)
    assert groups(rows)[0] == {"77.jpg", "161.jpg"}, "groups across labels come first"
    assert sorted(map(sorted, groups(rows))) == [
        ["150.jpg", "162.jpg"],
        ["160.jpg", "3.jpg"],
        ["161.jpg", "77.jpg"],
    ]
    assert [row["across_labels"] for row in rows] == [True, True, False, False, False, False]
    assert {(row["path"], row["nearest"]) for row in rows} >= {("3.jpg", "160.jpg")}


@pytest.mark.parametrize("limit", [10_000, 100])
def test_pixels_decide_where_photos_can_be_read(tmp_path: Path, limit: int) -> None:
    features, labels = with_copies(*photos(), of=[3, 77, 150])
    said = {"3.jpg": True, "77.jpg": False, "150.jpg": None}

    def compare(pairs: list[tuple[str, str]]) -> list[bool | None]:
        return [said.get(one, False) for one, _ in pairs]

    rows = of_kind(rows_of(tmp_path, features, labels, limit, compare), DUPLICATE)
    assert sorted(map(sorted, groups(rows))) == [["150.jpg", "162.jpg"], ["160.jpg", "3.jpg"]]


def test_many_copies_of_one_photo_are_one_group(tmp_path: Path) -> None:
    features, labels = with_copies(*photos(), of=[5] * 12)
    rows = of_kind(rows_of(tmp_path, features, labels), DUPLICATE)
    assert groups(rows) == [{"5.jpg", *(f"{160 + i}.jpg" for i in range(12))}]


@pytest.mark.parametrize("limit", [10_000, 100])
def test_wrong_labels_are_listed_with_the_right_ones(tmp_path: Path, limit: int) -> None:
    features, labels = photos()
    wrong: list[str | None] = [*labels]
    wrong[10], wrong[90], wrong[91] = "label 2", "label 0", None
    rows = of_kind(rows_of(tmp_path, features, wrong, limit=limit), LABEL)
    assert {(row["path"], row["label"], row["suggested_label"]) for row in rows} == {
        ("10.jpg", "label 2", "label 0"),
        ("90.jpg", "label 0", "label 2"),
    }
    assert all(row["nearest_label"] == row["suggested_label"] for row in rows)
    assert [row["score"] for row in rows] == sorted((r["score"] for r in rows), reverse=True)


@pytest.mark.parametrize("limit", [10_000, 100])
def test_photos_of_something_else_are_outliers(tmp_path: Path, limit: int) -> None:
    features, labels = photos()
    features[[7, 120]] = np.eye(D, dtype=np.float32)[[0, 1]]
    rows = of_kind(rows_of(tmp_path, features, labels, limit=limit), OUTLIER)
    assert {row["path"] for row in rows} == {"7.jpg", "120.jpg"}


def test_clean_photos_have_nothing_to_look_at(tmp_path: Path) -> None:
    assert rows_of(tmp_path, *photos()) == []


@pytest.mark.parametrize("label", ["the only one", None])
def test_without_labels_to_compare_only_the_others_are_found(
    tmp_path: Path, label: str | None
) -> None:
    features, labels = with_copies(*photos(), of=[3])
    features[7] = np.eye(D, dtype=np.float32)[0]
    rows = rows_of(tmp_path, features, [label] * len(labels))
    assert [(row["kind"], row["path"]) for row in rows] == [
        (DUPLICATE, "160.jpg"),
        (DUPLICATE, "3.jpg"),
        (OUTLIER, "7.jpg"),
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 49, 50, 60])
def test_few_photos(tmp_path: Path, count: int) -> None:
    features, labels = photos()
    few = np.random.default_rng(3).permutation(len(labels))[:count]
    features, labels = features[few], [labels[i] for i in few]
    if count > 1:
        features[1] = features[0] * 1.01
    rows = rows_of(tmp_path, features, labels)
    pair = [{"0.jpg", "1.jpg"}] if count > 1 else []
    assert groups(of_kind(rows, DUPLICATE)) == pair
    assert not of_kind(rows, OUTLIER)


@pytest.mark.parametrize("value", [0, 1])
def test_photos_that_are_all_the_same(tmp_path: Path, value: int) -> None:
    """As those of a camera with its cap on."""
    features = np.full((120, D), value, np.float32)
    rows = rows_of(tmp_path, features, ["a"] * 60 + ["b"] * 60)
    assert {row["kind"] for row in rows} <= {DUPLICATE, LABEL}
    assert all(np.isfinite(row["score"]) for row in rows)


def test_labels_of_very_few_photos_are_not_judged(tmp_path: Path) -> None:
    features, labels = photos()
    labels[10:13] = ["rare"] * 3
    assert of_kind(rows_of(tmp_path, features, labels), LABEL) == []


def test_nearest_are_those_of_all_similarities() -> None:
    random = np.random.default_rng(0)
    places = random.normal(size=(70, 8)).astype(np.float32)
    among = np.arange(20, 60)
    found, cosines = nearest(places, np.arange(70), among, 5)
    products = places @ places[among].T
    for row in range(70):
        others = [i for i in np.argsort(-products[row]) if among[i] != row][:5]
        assert found[row].tolist() == among[others].tolist()
        assert np.allclose(cosines[row], products[row, others], atol=1e-4)


def test_leaves_hold_each_row_once_a_tree_and_close_rows_together() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(1000, 8)).astype(np.float32)
    rows[500:] = rows[:500] + 0.01 * random.normal(size=(500, 8))
    found = list(leaves(rows, 64, trees=4))
    assert max(map(len, found)) <= 64
    assert np.bincount(np.concatenate(found)).tolist() == [4] * 1000
    together = {i for leaf in found for i in leaf.tolist() if i < 500 and i + 500 in leaf}
    assert len(together) > 490
