"""The CSV for end users: path, label, pc_1 … pc_k of each photo, sorted by path."""

from typing import TYPE_CHECKING

import pyarrow as pa

from fruits.csv_cells import escape_in_spark, write_csv
from fruits.results.manifest import Manifest
from fruits.results.store import Results
from fruits.results.tables import new_name

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ONE_FILE_VALUES = 16 * 2**20
"""Maximum number of values (64 MB of float32) in a single file; a larger CSV is a folder."""


def make_csv(spark: "SparkSession", store: Results, pending: Manifest) -> bytes | str:
    """The CSV of the pending manifest's reduced rows, for `Results.commit`.

    Returns the bytes of a file or, beyond 16 Mi values, the name of a staged folder of parts, each
    with a header.
    """
    files, components = pending.reduced or [], len(pending.explained_variance or [])
    names = [f"pc_{i + 1}" for i in range(components)]
    if pending.counts["features"] * components > _ONE_FILE_VALUES:
        staged = new_name("csv")
        rows = store.table(spark, files)
        values = (rows["components"][i].alias(name) for i, name in enumerate(names))
        texts = (escape_in_spark(name) for name in ("path", "label"))
        parts = rows.sort("path").select(*texts, *values)
        parts.write.csv(
            store.folder.uri(staged),
            header=True,
            escape='"',
            quoteAll=True,
            ignoreLeadingWhiteSpace=False,
            ignoreTrailingWhiteSpace=False,
        )
        return staged
    table = store.read(files).sort_by("path")
    numbers = table["components"].combine_chunks().flatten().to_numpy()
    columns = [table["path"], table["label"], *numbers.reshape(len(table), components).T.copy()]
    out = pa.BufferOutputStream()
    write_csv(pa.table(columns, names=["path", "label", *names]), out)
    return bytes(out.getvalue())
