"""Labels of photos from a table with columns `path` and `label`: CSV or Parquet."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fruits.csv_cells import plain
from fruits.errors import PhotoError, SettingsError
from fruits.photos.labels import RULES
from fruits.storage import open_folder, split_name

_DELIMITERS = ",;\t"


def resolved(labels: str) -> str:
    """One of `labels.RULES` as it is; the address of a table made absolute."""
    if labels in RULES or "://" in labels:
        return labels
    return str(Path(labels).expanduser().absolute())


def read_labels(address: str, root: str) -> pa.Table:
    """The table at an address on disk or in S3, with the columns `path` and `label`, as text.

    Its paths are relative to the folder of photos, or begin with its address, `root`, which is
    removed. CSV is UTF-8, with a header, and separated by commas, semicolons or tabs. Texts are as
    in the CSV that results contain: escaped as in `csv_cells`, where they would be formulas.

    Raises:
        SettingsError: it is missing, is not such a table, or gives a photo two labels.
    """
    folder, name = split_name(resolved(address))
    try:
        data = open_folder(folder).read(name)
    except PhotoError as error:
        raise SettingsError(
            f"can't read the table of labels {address} ({error}): "
            f"use one of {', '.join(RULES)}, or a table with columns path and label"
        ) from None
    try:
        table = _parquet(data) if data.startswith(b"PAR1") else _csv(data)
        columns = {name.strip().lower(): table[name] for name in table.column_names}
        if not {"path", "label"} <= columns.keys():
            raise SettingsError(
                f"the table of labels {address} needs the columns path and label; "
                f"it has {', '.join(table.column_names) or 'none'}"
            )
        paths, labels = (
            pc.cast(columns[name], pa.string()).combine_chunks() for name in ("path", "label")
        )
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(
            f"{address} is not a table of labels (CSV in UTF-8, or Parquet): {reason}"
        ) from None
    paths = _relative(paths, root)
    labels = pc.utf8_trim_whitespace(labels)
    labels = pc.if_else(pc.equal(labels, ""), None, labels)
    table = pa.table({"path": paths, "label": labels})
    table = table.filter(pc.is_valid(table["path"])).group_by(["path", "label"]).aggregate([])
    counts = table["path"].value_counts()
    twice = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        raise SettingsError(
            f"the table of labels {address} gives {twice[0]['values']} more than one label"
        )
    return table


def label_by_table(paths: pa.ChunkedArray, table: pa.Table) -> tuple[pa.ChunkedArray, int]:
    """The label of each photo, null if the table has none, and the number of rows without photo."""
    wanted = table["path"].combine_chunks()
    places = pc.index_in(paths, wanted)
    unused = len(wanted) - len(pc.unique(places.drop_null()))
    return table["label"].combine_chunks().take(places), unused


def _relative(paths: pa.Array, root: str) -> pa.Array:
    """All accepted spellings of a path as the one that photos are listed with."""
    paths = pc.replace_substring_regex(paths, r"^(?:\./)+", "")
    paths = pc.replace_substring_regex(paths, "^s3[an]?://", "s3a://")
    inside = root if root.endswith("/") else f"{root}/"
    cut = pc.utf8_slice_codeunits(paths, start=len(inside))
    return pc.if_else(pc.starts_with(paths, pattern=inside), cut, paths)


def _parquet(data: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(data))


def _csv(data: bytes) -> pa.Table:
    text = data.decode("utf-8-sig")
    header = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=max(_DELIMITERS, key=header.count))
    names, *cells = [row for row in rows if row] or [[]]
    columns = {
        name: pa.array([row[i] if i < len(row) else "" for row in cells], pa.string())
        for i, name in enumerate(names)
    }
    return pa.table({name: plain(column) for name, column in columns.items()})
