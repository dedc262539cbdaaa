"""Suspects without erased photos."""

import pyarrow as pa

from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER, SCHEMA, without


def row(
    kind: str, path: str, nearest: str | None, group: int | None = None, label: str | None = "y"
) -> dict[str, object]:
    named = {"label": label, "suggested_label": "x" if kind == LABEL else None}
    near = {"nearest": nearest, "nearest_label": "x"}
    return {"kind": kind, "path": path, "group": group, "across_labels": True, **named, **near}


def test_rows_references_and_groups_of_one_go() -> None:
    table = pa.Table.from_pylist(
        [
            row(LABEL, "a", "gone"),
            row(LABEL, "gone", "a"),
            row(DUPLICATE, "b", "gone", 1),
            row(DUPLICATE, "gone", "b", 1),
            row(DUPLICATE, "c", "gone", 2),
            row(DUPLICATE, "d", "c", 2),
            row(DUPLICATE, "gone", "c", 2),
            row(OUTLIER, "e", "f"),
        ],
        SCHEMA,
    )
    left = without(table, ["gone"], ["x", "y"])
    assert left.schema == SCHEMA
    shown = [(r["path"], r["nearest"], r["nearest_label"]) for r in left.to_pylist()]
    assert shown == [("a", None, None), ("c", None, None), ("d", "c", "x"), ("e", "f", "x")]


def test_nothing_is_left() -> None:
    table = pa.Table.from_pylist([row(OUTLIER, "a", "b")], SCHEMA)
    assert without(table, ["a"], []).num_rows == 0
    assert without(SCHEMA.empty_table(), ["a"], []).num_rows == 0


def test_no_label_without_photos_is_suggested() -> None:
    table = pa.Table.from_pylist([row(LABEL, "a", "b"), row(OUTLIER, "c", "b")], SCHEMA)
    assert without(table, ["b"], ["y"])["path"].to_pylist() == ["c"]


def test_a_group_is_across_labels_only_as_long_as_it_is() -> None:
    members = [("a", "y"), ("b", None), ("gone", "z")]
    rows = [row(DUPLICATE, path, None, 1, label) for path, label in members]
    left = without(pa.Table.from_pylist(rows, SCHEMA), ["gone"], ["y"])
    assert left["across_labels"].to_pylist() == [False, False]
