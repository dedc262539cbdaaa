"""Tables with one row per photo, stored as Parquet files that are listed in the manifest.

Files are written atomically and never changed. Rows are added by listing more files, and removed by
replacing a file in the list with a new one without them. So the cost of a run depends on what is
new, and readers that start from a manifest never see partial changes. Workers read and write the
files with pyarrow: rows don't pass through Spark's JVM.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fruits.errors import ResultsError
from fruits.progress import Count
from fruits.session.counting import Counter, counting
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SMALL_ROWS = 256
"""Files with fewer rows are merged once there are many, so that daily runs don't accumulate small
files."""
_MANY_SMALL = 64
_FILE_ROWS = 4_096
"""Approximate maximum number of rows per file: 20 MB of features."""
_READS = 16  # files read concurrently: each S3 request takes tens of milliseconds
_PROVENANCE = b"fruits"  # key of the provenance in a file's metadata

REJECTS = pa.schema([("path", pa.string()), ("label", pa.string()), ("reason", pa.string())])
KEYS = pa.schema([("path", pa.string()), ("label", pa.string()), ("version", pa.string())])
"""The columns that identify a photo in tables; `version` changes when the photo's bytes do."""

T = TypeVar("T")
R = TypeVar("R")
Part = tuple[int, NDArray[np.int64] | None]
"""Rows of a file: the index of the file in the table, and the indices of the rows (None: all)."""
Change = list[list[Part]]
"""The parts that make up each file of a table after a change."""
EMPTY: Change = [[(0, np.zeros(0, np.int64))]]
"""The change to a table without rows, with one file that defines its columns."""


def new_name(folder: str) -> str:
    """A unique name in a folder, which includes the current time."""
    return f"{folder}/{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}"


def new_file(table: str) -> str:
    """A unique name for a new file of a table."""
    return f"{new_name(table)}.parquet"


def write(folder: Folder, name: str, rows: pa.Table, provenance: bytes = b"") -> None:
    """Writes a file of a table; `provenance` describes how its rows were computed."""
    out = pa.BufferOutputStream()
    rows = rows.replace_schema_metadata({_PROVENANCE: provenance} if provenance else None)
    # Dictionaries would only make features and paths larger.
    pq.write_table(rows, out, compression="zstd", use_dictionary=["label"])
    folder.write(name, out.getvalue().to_pybytes())


def provenance_of(folder: Folder, name: str) -> bytes:
    """The provenance of a file's rows, as passed to `write`."""
    with folder.open(name) as source:
        metadata: dict[bytes, bytes] = pq.read_schema(source).metadata or {}
    return metadata.get(_PROVENANCE, b"")


def of_provenance(folder: Folder, files: Sequence[str], provenance: bytes) -> list[str]:
    """The files whose rows have this provenance; files that can't be read are skipped."""

    def matches(name: str) -> bool:
        try:
            return provenance_of(folder, name) == provenance
        except (OSError, pa.ArrowException):
            return False

    with ThreadPoolExecutor(_READS) as pool:
        return [file for file, yes in zip(files, pool.map(matches, files), strict=True) if yes]


def read(
    folder: Folder, files: Sequence[str], columns: Sequence[str] | None = None
) -> list[pa.Table]:
    """These columns of each file (None: all); only these are fetched from files in S3.

    Raises:
        ResultsError: a file is missing or damaged.
    """
    with ThreadPoolExecutor(_READS) as pool:
        return list(pool.map(lambda name: read_file(folder, name, columns), files))


def read_file(folder: Folder, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """As `read`, for one file."""
    try:
        with folder.open(name) as source, pq.ParquetFile(source, pre_buffer=True) as file:
            return file.read(columns)
    except FileNotFoundError:
        what = "is missing"
    except (OSError, pa.ArrowException) as error:
        what = f"is damaged ({' '.join(str(error).split())[:200]})"
    raise ResultsError(
        f"{name} in {folder.address} {what}: restore it from a backup, or use another folder"
    )


def read_each(
    folder: Folder, files: Sequence[str], columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yields the files one by one, while reading the next one in the background."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for file in files:
            following = pool.submit(read_file, folder, file, columns)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def deal(files: Sequence[str], hands: int) -> list[Sequence[str]]:
    """Distributes the files over at most `hands` parts, none of them empty."""
    return [files[i::hands] for i in range(min(hands, len(files)))]


@dataclass(frozen=True)
class Keys:
    """path, label and version of the rows of some files, concatenated."""

    files: list[str]
    lengths: list[int]
    rows: pa.Table

    @staticmethod
    def of(folder: Folder, files: Sequence[str], schema: pa.Schema) -> "Keys":
        """Reads the keys of these files; `schema` contains the required columns."""
        tables = read(folder, files, schema.names)
        rows = pa.concat_tables([schema.empty_table(), *(table.cast(schema) for table in tables)])
        return Keys(list(files), [len(table) for table in tables], rows)

    def read(self, folder: Folder, wanted: NDArray[np.bool_]) -> pa.Table:
        """Reads the wanted rows with all their columns."""
        ends = np.cumsum([0, *self.lengths])
        tables = []
        for i, file in enumerate(self.files):
            if (chosen := wanted[ends[i] : ends[i + 1]]).any():
                tables.append(read_file(folder, file).filter(chosen))
        return pa.concat_tables(tables)

    def keeping(self, wanted: NDArray[np.bool_]) -> Change:
        """The change that keeps only the wanted rows; many small files are merged."""
        large: Change = []
        small: list[tuple[Part, int]] = []
        start = 0
        for i, length in enumerate(self.lengths):
            (rows,) = wanted[start : start + length].nonzero()
            start += length
            part = (i, None if len(rows) == length else rows)
            if len(rows) >= _SMALL_ROWS:
                large.append([part])
            elif len(rows):
                small.append((part, len(rows)))
        if len(small) < _MANY_SMALL:
            return [*large, *([part] for part, _ in small)]
        merged: Change = [[]]
        n_rows = 0
        for part, length in small:
            if n_rows + length > _FILE_ROWS:
                merged.append([])
                n_rows = 0
            merged[-1].append(part)
            n_rows += length
        return large + merged


def changed(
    spark: "SparkSession",
    folder: Folder,
    table: str,
    files: Sequence[str],
    change: Change,
    count: Count | None = None,
) -> list[str]:
    """Applies a change to a table; returns its files, of which unchanged ones keep their names."""
    after: list[str] = []
    tasks: list[tuple[str, list[tuple[str, NDArray[np.int64] | None]]]] = []
    for parts in change:
        if len(parts) == 1 and parts[0][1] is None:
            after.append(files[parts[0][0]])
        else:
            after.append(new_file(table))
            tasks.append((after[-1], [(files[i], rows) for i, rows in parts]))
    on_workers(spark, _Rewrite(folder), tasks, count, "files rewritten")
    return after


@dataclass(frozen=True)
class _Rewrite:
    """A task that writes a file with rows from other files."""

    folder: Folder

    def __call__(self, task: tuple[str, list[tuple[str, NDArray[np.int64] | None]]]) -> None:
        name, parts = task
        tables = []
        for file, rows in parts:
            table = read_file(self.folder, file)
            tables.append(table if rows is None else table.take(rows))
        write(self.folder, name, pa.concat_tables(tables), provenance_of(self.folder, parts[0][0]))


def on_workers(
    spark: "SparkSession",
    work: Callable[[T], R],
    tasks: Sequence[T],
    count: Count | None = None,
    unit: str = "tasks",
) -> list[R]:
    """The results of `work` for each item of `tasks`, with one Spark task per item.

    The items are counted, in this unit, if `count` is given.
    """
    if not tasks:
        return []
    if count is not None:
        with counting(spark.sparkContext, count, len(tasks), unit) as counter:
            return on_workers(spark, _Counted(work, counter), tasks)
    return spark.sparkContext.parallelize(tasks, len(tasks)).map(work).collect()


@dataclass(frozen=True)
class _Counted(Generic[T, R]):
    """Work that counts as one when it is done."""

    work: Callable[[T], R]
    counter: Counter

    def __call__(self, task: T) -> R:
        add = self.counter.of_this_task()
        result = self.work(task)
        add(1, 1)
        return result


@dataclass(frozen=True)
class Writer:
    """Writes batches of rows into new files of a table."""

    folder: Folder
    table: str
    provenance: bytes

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, int]]:
        """Yields the name and number of rows of each file, once it is written."""
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(batch)
            if sum(map(len, waiting)) >= _FILE_ROWS:
                yield self._written(waiting)
                waiting = []
        if waiting:
            yield self._written(waiting)

    def _written(self, batches: list[pa.RecordBatch]) -> tuple[str, int]:
        rows = pa.Table.from_batches(batches)
        name = new_file(self.table)
        write(self.folder, name, rows, self.provenance)
        return name, len(rows)
