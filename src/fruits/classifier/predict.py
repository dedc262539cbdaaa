"""What a classifier says of each photo of a folder, on Spark."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fruits.classifier.classifier import Classifier, unit
from fruits.classifier.evaluate import nearest_label
from fruits.classifier.fit import Examples
from fruits.classifier.predictor import as_made
from fruits.errors import PhotosError
from fruits.features.extract import featurize
from fruits.photos.listing import Listing, list_photos
from fruits.progress import Progress
from fruits.results.store import Results
from fruits.settings import Settings
from fruits.storage import open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("path", "label", "reason")),
        ("answers", pa.list_(pa.string())),
        ("probabilities", pa.list_(pa.float64())),
        ("sure", pa.bool_()),
        ("neighbour", pa.string()),
    ]
)
"""A photo: what it is called, the label of its folder, why there is no answer; or the top five
labels, the most probable first, whether to rely on them, and what its nearest examples are."""


def answer(
    spark: "SparkSession",
    store: Results,
    classifier: Classifier,
    photos: str,
    settings: Settings,
    progress: Progress,
    examples: Examples | None = None,
) -> tuple[pa.Table, Listing]:
    """Rows of SCHEMA sorted by path, and what the folder holds; `neighbour` only with `examples`.

    Raises:
        FruitsError: there is no photo, or the results' weights can't be had.
    """
    folder = open_folder(photos)
    with progress.step("list"):
        listing = list_photos(folder)
    keys = listing.table
    if not keys.num_rows:
        raise PhotosError(f"there is no photo in {folder.address} ({listing.ignored} other files)")
    done = spark.sparkContext.accumulator(0)
    with progress.step("predict", keys.num_rows, lambda: int(done.value)):
        model, settings = as_made(store.current(), settings)
        views = classifier.views
        then = _Answers(classifier.to_bytes(), examples)
        said = featurize(spark, keys, folder, model, settings, then, views=views, done=done)
    return pa.concat_tables(said).sort_by("path"), listing


@dataclass(frozen=True)
class _Answers:
    """Rows of `featurize.SCHEMA` -> rows of SCHEMA; travels to workers."""

    classifier: bytes
    examples: Examples | None

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> pa.Table:
        return pa.Table.from_batches(self._answered(batches), SCHEMA)

    def _answered(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        classifier = Classifier.from_bytes(self.classifier)
        names = np.array(classifier.labels, object)
        known, labels = None, np.array([], object)
        if self.examples:
            known, labels = unit(self.examples.features), np.array(self.examples.labels, object)
        for batch in batches:
            good = batch.filter(pc.is_valid(batch["features"]))
            if good.num_rows:
                features = good["features"].flatten().to_numpy().reshape(good.num_rows, -1)
                said = classifier.answers(features)
                yield _batch(
                    good,
                    names[said.top].tolist(),
                    said.probabilities.tolist(),
                    said.sure.tolist(),
                    None if known is None else nearest_label(known, labels, unit(features)),
                )
            bad = batch.filter(pc.is_null(batch["features"]))
            if bad.num_rows:
                yield _batch(bad)


def _batch(rows: pa.RecordBatch, *said: list[Any] | None) -> pa.RecordBatch:
    """Rows with what is said of them; None, or nothing: nothing."""
    there = [rows[name] for name in ("path", "label", "reason")]
    columns = [*there, *said, *[None] * (len(SCHEMA) - len(there) - len(said))]
    nothing = [None] * rows.num_rows
    return pa.record_batch([nothing if each is None else each for each in columns], SCHEMA)
