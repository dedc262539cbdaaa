"""Photos -> features and rejects, on Spark.

Keys travel through the JVM, photos don't: each Python worker reads its photos from the folder
itself, many at a time, while it decodes and infers, and gives back Arrow batches of rows.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.engine import Engine, engine_of_this_process
from fruits.errors import PhotoError
from fruits.model import FEATURES, Model
from fruits.photo import MAX_BYTES, prepare_views
from fruits.settings import Settings
from fruits.storage import Folder, read_ahead

if TYPE_CHECKING:
    from pyspark.accumulators import Accumulator
    from pyspark.core.broadcast import Broadcast
    from pyspark.sql import DataFrame, SparkSession

_T = TypeVar("_T")
_Row = dict[str, Any]

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("version", pa.string()),
        ("features", pa.list_(pa.float32())),  # of 1280; null for a reject
        ("reason", pa.string()),  # why it is a reject; null for a photo with features
    ]
)
COLUMNS = "path string, label string, version string, features array<float>, reason string"

_PHOTO_BYTES = 64 * 2**10
"""What a photo costs beside its own bytes: inference takes about as long as decoding so much."""
_PARTITION_BYTES = (4 * 2**20, 32 * 2**20)
"""A task's least and most work: enough to hide its start, too little to be missed when lost."""
_TASKS_PER_SLOT = 16  # so that the last tasks of a stage end at about the same time
_BATCH = 64  # rows in an Arrow batch: 320 KB of features


def featurize(
    spark: "SparkSession",
    photos: pa.Table,
    folder: Folder,
    model: Model,
    settings: Settings = Settings(),
    *,
    views: int = 1,
    done: "Accumulator[int] | None" = None,
) -> "DataFrame":
    """Rows of `listing.SCHEMA` -> a DataFrame of SCHEMA, one row a photo, computed when written.

    The features are the mean of those of so many `views` of the photo (see `photo.prepare_views`).
    `done` grows by the photos of each task that ends.
    """
    # Spark makes a partition of each batch of an Arrow table.
    keys = spark.createDataFrame(partition(photos, spark.sparkContext.defaultParallelism))
    work = _Work(
        folder,
        spark.sparkContext.broadcast(model.files),
        model.facts,
        settings.engine,
        settings.precision,
        settings.reads_in_flight,
        settings.max_megapixels * 1_000_000,
        views,
        settings.decode == "exact",
        done,
    )
    return keys.mapInArrow(work, COLUMNS)


def partition(photos: pa.Table, slots: int) -> pa.Table:
    """The same rows, cut into batches of about equal work, for `slots` tasks side by side."""
    if not photos.num_rows:
        return photos
    work = np.cumsum(photos["size"].to_numpy() + _PHOTO_BYTES)
    least, most = _PARTITION_BYTES
    share = min(max(int(work[-1]) / (slots * _TASKS_PER_SLOT), least), most)
    count = min(math.ceil(work[-1] / share), photos.num_rows)
    ends = np.searchsorted(work, work[-1] * np.arange(1, count) / count) + 1
    bounds = np.unique(np.concatenate(([0], ends, [photos.num_rows])))
    rows = photos.combine_chunks()
    batches = [
        batch
        for start, end in itertools.pairwise(bounds.tolist())
        for batch in rows.slice(start, end - start).to_batches()
    ]
    return pa.Table.from_batches(batches, photos.schema)


@dataclass(frozen=True)
class _Work:
    """What a worker does with a partition of keys; travels to it with the task."""

    folder: Folder
    files: "Broadcast[dict[str, bytes]]"
    facts: dict[str, str]
    engine: str
    precision: str
    reads_in_flight: int
    max_pixels: int
    views: int
    exact: bool
    done: "Accumulator[int] | None"

    def __call__(self, keys: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        engine = engine_of_this_process(
            self.engine,
            self.precision,
            self.facts["sha256"],
            lambda: Model(**self.facts, files=self.files.value),
        )
        rows = (row for batch in keys for row in batch.to_pylist())
        for some in _chunks(self._prepared(rows), max(1, _BATCH // self.views)):
            good = [(row, result) for row, result in some if isinstance(result, np.ndarray)]
            bad = [(row, result) for row, result in some if isinstance(result, PhotoError)]
            if good:
                features = mean_features(engine, np.stack([views for _, views in good]))
                yield _batch([row for row, _ in good], features=features)
            if bad:
                yield _batch([row for row, _ in bad], reasons=[str(error) for _, error in bad])
            if self.done is not None:
                self.done.add(len(some))

    def _prepared(
        self, rows: Iterator[_Row]
    ) -> Iterator[tuple[_Row, NDArray[np.float32] | PhotoError]]:
        read = read_ahead(self._read, rows, itemgetter("size"), self.reads_in_flight)
        for row, data in read:
            try:
                if isinstance(data, PhotoError):
                    raise data
                yield row, prepare_views(data, self.max_pixels, self.views, exact=self.exact)
            except PhotoError as error:
                yield row, error

    def _read(self, row: _Row) -> bytes:
        if row["problem"]:
            raise PhotoError(row["problem"])
        if row["size"] > MAX_BYTES:
            raise PhotoError(f"a file of more than {MAX_BYTES // 2**20} MB is not read as a photo")
        return self.folder.read(row["path"])


def mean_features(engine: Engine, photos: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[n, views, 224, 224, 3] -> float32[n, 1280]: each photo's mean over its views."""
    n, views = photos.shape[:2]
    features = engine.features(photos.reshape(n * views, *photos.shape[2:]))
    return features if views == 1 else features.reshape(n, views, -1).mean(axis=1)


def _batch(
    rows: list[_Row],
    features: NDArray[np.float32] | None = None,
    reasons: list[str] | None = None,
) -> pa.RecordBatch:
    keys = [[row[name] for row in rows] for name in ("path", "label", "version")]
    if features is None:
        lists = pa.nulls(len(rows), SCHEMA.field("features").type)
    else:
        offsets = np.arange(0, features.size + 1, FEATURES, dtype=np.int32)
        lists = pa.ListArray.from_arrays(offsets, features.ravel())
    return pa.record_batch([*keys, lists, reasons or [None] * len(rows)], SCHEMA)


def _chunks(items: Iterator[_T], size: int) -> Iterator[list[_T]]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk
