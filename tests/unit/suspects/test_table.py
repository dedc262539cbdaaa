"""Suspects without erased photos."""

import pyarrow as pa

from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER, SCHEMA, without


def row(kind: str, path: str, nearest: str | None, group: int | None = None) -> dict[str, object]:
    return {"kind": kind, "path": path, "group": group, "nearest": nearest, "nearest_label": "x"}


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
    left = without(table, pa.array(["gone"]))
    assert left.schema == SCHEMA
    shown = [(r["path"], r["nearest"], r["nearest_label"]) for r in left.to_pylist()]
    assert shown == [("a", None, None), ("c", None, None), ("d", "c", "x"), ("e", "f", "x")]


def test_nothing_is_left() -> None:
    table = pa.Table.from_pylist([row(OUTLIER, "a", "b")], SCHEMA)
    assert without(table, pa.array(["a"])).num_rows == 0
    assert without(SCHEMA.empty_table(), pa.array(["a"])).num_rows == 0
