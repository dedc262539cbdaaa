"""Finds photos to look at in stored features; no photo is featurized."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fruits.progress import Count
from fruits.results.tables import Keys
from fruits.storage import Folder
from fruits.suspects import duplicates, outliers
from fruits.suspects.mislabelled import mislabelled
from fruits.suspects.photos import EXACT, place
from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER, SCHEMA, is_across

_KEYS = pa.schema([("path", pa.string()), ("label", pa.string())])
Row = dict[str, Any]
Compare = Callable[[list[tuple[str, str]]], list[bool | None]]


def find(
    folder: Folder,
    files: Sequence[str],
    limit: int = EXACT,
    compare: Compare | None = None,
    count: Count | None = None,
) -> pa.Table:
    """The suspects among the photos with features in these files, as rows of `table.SCHEMA`.

    `compare` says of pairs of paths whether they are copies, or None if it can't be said; without
    it, features alone decide. Time grows with the square of the number of photos up to `limit`,
    and beyond linearly.
    """
    keys = Keys.of(folder, files, _KEYS)
    paths, labels = keys.rows["path"].to_pylist(), keys.rows["label"].to_pylist()
    if len(paths) < 2:
        return SCHEMA.empty_table()
    placed = place(folder, keys, limit, count)
    rows = _mislabelled(labels, *placed.votes)

    def of_rows(pairs: list[tuple[int, int]]) -> list[bool | None]:
        return compare([(paths[a], paths[b]) for a, b in pairs]) if compare else [None] * len(pairs)

    groups = duplicates.groups(placed, folder, keys, of_rows)
    rows += _duplicates(groups, paths, labels)
    rows += _outliers(*placed.near)
    for row in rows:
        row["path"], row["label"] = paths[row["path"]], labels[row["path"]]
        nearest_one = row["nearest"]
        row["nearest"], row["nearest_label"] = paths[nearest_one], labels[nearest_one]
    return pa.Table.from_pylist(rows, SCHEMA)


def _mislabelled(labels: list[str | None], found: Any, cosines: Any) -> list[Row]:
    names = sorted(set(filter(None, labels)))
    number = {name: i for i, name in enumerate(names)}
    numbers = np.array([number.get(label or "", -1) for label in labels])
    return [
        {
            "kind": LABEL,
            "path": suspect.row,
            "suggested_label": names[suspect.label],
            "score": suspect.margin,
            "nearest": suspect.nearest,
        }
        for suspect in mislabelled(numbers, found, cosines)
    ]


def _duplicates(
    groups: list[dict[int, duplicates.Pair]], paths: list[str], labels: list[str | None]
) -> list[Row]:
    """Groups across labels first, then those of the most similar photos."""

    def order(group: dict[int, duplicates.Pair]) -> tuple[bool, float, str]:
        similarity = max(pair[2] for pair in group.values())
        return (
            not is_across(labels[row] for row in group),
            -similarity,
            min(paths[row] for row in group),
        )

    rows = []
    for number, group in enumerate(sorted(groups, key=order), 1):
        for row in sorted(group, key=lambda row: paths[row]):
            one, other, similarity = group[row]
            rows.append(
                {
                    "kind": DUPLICATE,
                    "group": number,
                    "across_labels": is_across(labels[row] for row in group),
                    "path": row,
                    "score": similarity,
                    "nearest": other if row == one else one,
                }
            )
    return rows


def _outliers(found: Any, cosines: Any) -> list[Row]:
    if len(found) < outliers.MIN_PHOTOS:
        return []
    scores = outliers.scores(cosines)
    worst = np.argsort(-scores, kind="stable")
    return [
        {"kind": OUTLIER, "path": row, "score": float(scores[row]), "nearest": int(found[row, 0])}
        for row in worst[scores[worst] >= outliers.MIN_SCORE].tolist()
    ]
