"""The table of suspects: one row for each reason to look at a photo, the worst first."""

import pyarrow as pa
import pyarrow.compute as pc

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


def without(suspects: pa.Table, gone: pa.Array) -> pa.Table:
    """The suspects without what refers to these paths: their rows, and groups left with one."""
    kept = suspects.filter(pc.invert(pc.is_in(suspects["path"], gone)))
    refers = pc.is_in(kept["nearest"], gone).combine_chunks()
    for column in ("nearest", "nearest_label"):
        values = kept[column].combine_chunks()
        none = pa.scalar(None, values.type)
        kept = kept.set_column(
            kept.schema.get_field_index(column), column, pc.if_else(refers, none, values)
        )
    counts = {item["values"]: item["counts"] for item in kept["group"].value_counts().to_pylist()}
    alone = [group for group, count in counts.items() if group is not None and count == 1]
    return kept.filter(pc.invert(pc.is_in(kept["group"], pa.array(alone, pa.int64()))))
