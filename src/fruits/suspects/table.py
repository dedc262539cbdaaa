"""The table of suspects: one row for each reason to look at a photo, the worst first."""

from collections.abc import Iterable

import pyarrow as pa

DUPLICATE, LABEL, OUTLIER = "near-duplicate", "label", "outlier"
"""The kinds of suspects, as in the column `kind`."""

SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("group", pa.int64()),  # the same for photos that are nearly the same, from 1
        ("across_labels", pa.bool_()),  # the group's photos have different labels
        ("path", pa.string()),
        ("label", pa.string()),
        ("suggested_label", pa.string()),
        ("score", pa.float64()),
        ("nearest", pa.string()),  # the path of the most similar photo that explains the row
        ("nearest_label", pa.string()),
    ]
)


def without(suspects: pa.Table, gone: Iterable[str], labels: Iterable[str]) -> pa.Table:
    """The suspects without what refers to the paths `gone`.

    That is their rows, groups left with one photo, and suggestions of other labels than `labels`,
    those that still have photos. Where rows name them as the nearest photo, nothing is named.
    """
    gone, labels = set(gone), set(labels)
    rows = [row for row in suspects.to_pylist() if row["path"] not in gone]
    rows = [row for row in rows if row["kind"] != LABEL or row["suggested_label"] in labels]
    groups: dict[int, list[str | None]] = {}
    for row in rows:
        if row["nearest"] in gone:
            row.update(nearest=None, nearest_label=None)
        if row["kind"] == DUPLICATE:
            groups.setdefault(row["group"], []).append(row["label"])
    rows = [row for row in rows if len(groups.get(row["group"], "ab")) > 1]
    for row in rows:
        if row["kind"] == DUPLICATE:
            row["across_labels"] = is_across(groups[row["group"]])
    return pa.Table.from_pylist(rows, SCHEMA)


def is_across(labels: Iterable[str | None]) -> bool:
    """Whether photos have different labels; those without one contradict none."""
    return len(set(labels) - {None}) > 1
