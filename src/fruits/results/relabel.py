"""Changes the labels of stored rows, if photos get other labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fruits.progress import Count
from fruits.results import tables
from fruits.results.tables import Keys
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_KEYS = pa.schema([("path", pa.string()), ("label", pa.string())])


def labels_differ(rows: pa.Table, photos: pa.Table) -> bool:
    """Whether rows have other labels than the photos of the same path."""
    return not _labels(rows, photos).equals(rows["label"].combine_chunks())


def relabelled(
    spark: "SparkSession",
    folder: Folder,
    table: str,
    files: Sequence[str],
    photos: pa.Table,
    count: Count | None = None,
) -> list[str]:
    """The files of a table, after its rows got the labels of `photos` (path, label).

    Files in which no label changes keep their names.
    """
    keys = Keys.of(folder, files, _KEYS)
    labels = _labels(keys.rows, photos)
    before = keys.rows["label"].combine_chunks()
    after: list[str] = []
    tasks: list[tuple[str, str, pa.Array]] = []
    start = 0
    for file, length in zip(keys.files, keys.lengths, strict=True):
        wanted = labels.slice(start, length)
        if wanted.equals(before.slice(start, length)):
            after.append(file)
        else:
            after.append(tables.new_file(table))
            # A slice would be pickled with the whole array.
            tasks.append((after[-1], file, pa.array(wanted.to_pylist(), pa.string())))
        start += length
    tables.on_workers(spark, _Relabel(folder), tasks, count, "files relabelled")
    return after


def _labels(rows: pa.Table, photos: pa.Table) -> pa.Array:
    """The label of each row among `photos`; its own if it is not among them."""
    places = pc.index_in(rows["path"], photos["path"].combine_chunks()).combine_chunks()
    labels = photos["label"].combine_chunks().take(places)
    return pc.if_else(places.is_valid(), labels, rows["label"].combine_chunks())


@dataclass(frozen=True)
class _Relabel:
    """A task that writes a file again, with other labels."""

    folder: Folder

    def __call__(self, task: tuple[str, str, pa.Array]) -> None:
        name, file, labels = task
        rows = tables.read_file(self.folder, file)
        place = rows.schema.get_field_index("label")
        rows = rows.set_column(place, "label", labels)
        tables.write(self.folder, name, rows, tables.provenance_of(self.folder, file))
