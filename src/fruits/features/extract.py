"""Photos -> features and rejects, on Spark.

Only keys pass through the JVM, not photos or features: each Python worker reads its photos directly
from the folder, many at a time, while it decodes and runs inference, and writes the rows itself.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.errors import PhotoError
from fruits.model.engine import Engine, described, engine_of_this_process
from fruits.model.load import Model
from fruits.photos.decode import DEFAULT_DECODING, MAX_BYTES, prepare_views
from fruits.progress import Count
from fruits.results.tables import REJECTS, Writer, on_workers
from fruits.session.counting import Counter, counting
from fruits.settings import Settings
from fruits.storage import Folder
from fruits.storage.read_ahead import read_ahead

if TYPE_CHECKING:
    from pyspark.core.broadcast import Broadcast
    from pyspark.sql import SparkSession

_T = TypeVar("_T")
R = TypeVar("R")
_Row = dict[str, Any]

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("version", pa.string()),
        ("features", pa.list_(pa.float32())),  # as of `engine.described`; null for a reject
        ("reason", pa.string()),  # why the photo was rejected; null for a photo with features
    ]
)

_PHOTO_BYTES = 3 * 2**18
"""The cost of a photo in addition to its size, rounded up: inference takes as long as the fast
decoding of 0.64 MB of JPEG (`bench/decoding.py`: 28 ms for 2 MB, 9 ms for inference)."""
_PARTITION_BYTES = (24 * 2**20, 384 * 2**20)
"""The minimum and maximum work of a task, a third of a second to five seconds: enough to hide its
start-up time, and cheap to repeat if the task is lost."""
_ROUNDS_LEFT = 2
"""Each partition is sized so that parts of this size would finish the remaining work in this many
rounds. More rounds mean more task starts, 60 ms each with large photos; fewer mean longer waits
for the last task."""
_BATCH = 64  # rows per Arrow batch: 320 KB of features


@dataclass(frozen=True)
class Extraction:
    """How features are computed."""

    folder: Folder  # contains the photos
    model: Model
    settings: Settings
    views: int = 1  # number of views to average over (see `decode.prepare_views`)
    depths: bool = False  # whether to read three depths of the network (see `engine.described`)


def featurize(
    spark: "SparkSession",
    photos: pa.Table,
    extraction: Extraction,
    then: Callable[[Iterator[pa.RecordBatch]], R],
    count: Count | None = None,
) -> list[R]:
    """Featurizes photos, rows of `listing.SCHEMA`, in tasks that end at about the same time.

    On the worker, `then` is called with the rows of each task, as batches of SCHEMA with one row
    per photo. Returns the results of these calls.

    `count` counts photos, while the tasks run.
    """
    model, context = extraction.model, spark.sparkContext
    files = context.broadcast(model.files)
    tasks = partition(photos, context.defaultParallelism)
    work = _work(photos["size"].to_pylist(), extraction.views)
    with counting(context, count or Count(), len(photos), "photos", work) as counter:
        task = _Task(replace(extraction, model=replace(model, files={})), files, counter, then)
        return on_workers(spark, task, tasks)


@dataclass(frozen=True)
class Stored:
    """The files and rejects that result from featurizing photos."""

    files: list[str]  # rows of path, label, version, features
    rows: int  # in these files
    rejects: pa.Table  # path, label, reason


@dataclass(frozen=True)
class Store:
    """A callback for `featurize` that writes rows with features into files of a table."""

    writer: Writer

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Stored:
        rejects = [REJECTS.empty_table()]

        def with_features() -> Iterator[pa.RecordBatch]:
            for batch in batches:
                if batch["reason"].null_count:
                    yield batch.drop_columns("reason")
                else:
                    rejects.append(pa.Table.from_batches([batch.select(REJECTS.names)]))

        written = list(self.writer(with_features()))
        files = [name for name, _ in written]
        return Stored(files, sum(rows for _, rows in written), pa.concat_tables(rejects))


def store(
    spark: "SparkSession",
    photos: pa.Table,
    extraction: Extraction,
    writer: Writer,
    count: Count | None = None,
) -> Stored:
    """Featurizes photos into files of a table; each task writes its own files."""
    parts = featurize(spark, photos, extraction, Store(writer), count)
    return Stored(
        [file for part in parts for file in part.files],
        sum(part.rows for part in parts),
        pa.concat_tables([REJECTS.empty_table(), *(part.rejects for part in parts)]),
    )


def partition(photos: pa.Table, slots: int) -> list[pa.Table]:
    """Splits the rows into partitions for `slots` concurrent tasks, the largest first.

    Each partition is a share of the remaining work (guided self-scheduling: Polychronopoulos &
    Kuck, IEEE Transactions on Computers, 1987), so that there are few tasks, which still end at
    about the same time.
    """
    if not photos.num_rows:
        return []
    work = np.cumsum(photos["size"].to_numpy() + _PHOTO_BYTES)
    least, most = _PARTITION_BYTES
    done, cuts = 0.0, []
    while (share := (work[-1] - done) / (_ROUNDS_LEFT * slots)) > least:
        done += min(share, most)
        cuts.append(done)
    n_last = math.ceil((work[-1] - done) / least)
    cuts += np.linspace(done, work[-1], n_last + 1)[1:-1].tolist()
    ends = np.searchsorted(work, cuts) + 1
    bounds = np.unique(np.concatenate(([0], ends, [photos.num_rows])))
    # take() copies the rows, while a slice would be pickled with the whole table.
    return [photos.take(np.arange(*ends)) for ends in itertools.pairwise(bounds.tolist())]


@dataclass(frozen=True)
class _Task(Generic[R]):
    """The work of one task on a partition of the keys; pickled and sent to workers."""

    extraction: Extraction  # its model has no files: they are broadcast
    files: "Broadcast[dict[str, bytes]]"
    counter: Counter
    then: Callable[[Iterator[pa.RecordBatch]], R]

    def __call__(self, keys: pa.Table) -> R:
        return self.then(self.rows(keys))

    def rows(self, keys: pa.Table) -> Iterator[pa.RecordBatch]:
        """One row of SCHEMA per photo; a batch holds either features or reasons."""
        model, settings = self.extraction.model, self.extraction.settings
        engine = engine_of_this_process(
            settings.engine,
            settings.precision,
            model.sha256,
            lambda: replace(model, files=self.files.value),
        )
        rows = (row for batch in keys.to_batches(max_chunksize=_BATCH) for row in batch.to_pylist())
        for chunk in _chunks(self._featurized(rows, engine), _BATCH):
            usable = [(row, found) for row, found in chunk if isinstance(found, np.ndarray)]
            rejects = [(row, error) for row, error in chunk if isinstance(error, PhotoError)]
            if usable:
                features = np.stack([found for _, found in usable])
                yield _batch([row for row, _ in usable], features=features)
            if rejects:
                reasons = [str(error) for _, error in rejects]
                yield _batch([row for row, _ in rejects], reasons=reasons)

    def _featurized(
        self, rows: Iterator[_Row], engine: Engine
    ) -> Iterator[tuple[_Row, NDArray[np.float32] | PhotoError]]:
        """The features of each photo, or the reason why there are none."""
        views = self.extraction.views
        add = self.counter.of_this_task()
        for chunk in _chunks(self._prepared(rows), max(1, engine.batch // views)):
            prepared = [pixels for _, pixels in chunk if isinstance(pixels, np.ndarray)]
            features = iter(self._described(engine, prepared))
            for row, pixels in chunk:
                yield row, next(features) if isinstance(pixels, np.ndarray) else pixels
            add(len(chunk), _work([row["size"] for row, _ in chunk], views))

    def _described(self, engine: Engine, prepared: list[NDArray[np.float32]]) -> Iterable[Any]:
        if not prepared:
            return ()
        return described(engine, np.stack(prepared), depths=self.extraction.depths)

    def _prepared(
        self, rows: Iterator[_Row]
    ) -> Iterator[tuple[_Row, NDArray[np.float32] | PhotoError]]:
        settings, views = self.extraction.settings, self.extraction.views
        decode, max_pixels = settings.decode or DEFAULT_DECODING, settings.max_pixels
        read = read_ahead(self._read, rows, itemgetter("size"), settings.reads_in_flight)
        for row, data in read:
            try:
                if isinstance(data, PhotoError):
                    raise data
                yield row, prepare_views(data, max_pixels, views, decode)
            except PhotoError as error:
                yield row, error

    def _read(self, row: _Row) -> bytes:
        if row["problem"]:
            raise PhotoError(row["problem"])
        if row["size"] > MAX_BYTES:
            raise PhotoError(f"files of more than {MAX_BYTES // 2**20} MB are not read as photos")
        return self.extraction.folder.read(row["path"])


def _work(sizes: Sequence[int], views: int) -> int:
    """The cost of photos of these sizes, in bytes."""
    return sum(sizes) + len(sizes) * views * _PHOTO_BYTES


def _batch(
    rows: list[_Row],
    features: NDArray[np.float32] | None = None,
    reasons: list[str] | None = None,
) -> pa.RecordBatch:
    keys = [[row[name] for row in rows] for name in ("path", "label", "version")]
    if features is None:
        lists = pa.nulls(len(rows), SCHEMA.field("features").type)
    else:
        offsets = np.arange(0, features.size + 1, features.shape[1], dtype=np.int32)
        lists = pa.ListArray.from_arrays(offsets, features.ravel())
    return pa.record_batch([*keys, lists, reasons or [None] * len(rows)], SCHEMA)


def _chunks(items: Iterator[_T], size: int) -> Iterator[list[_T]]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk
