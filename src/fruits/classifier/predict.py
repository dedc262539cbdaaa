"""Predictions for each photo of a folder, on Spark."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fruits.classifier.baselines import nearest_label
from fruits.classifier.classifier import Classifier, directions_of
from fruits.classifier.examples import Examples
from fruits.errors import PhotosError
from fruits.features.extract import Extraction, featurize
from fruits.features.provenance import load_model_of
from fruits.photos.labels import Layout
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
        ("predictions", pa.list_(pa.string())),
        ("probabilities", pa.list_(pa.float64())),
        ("confident", pa.bool_()),
        ("neighbour", pa.string()),
    ]
)
"""One row per photo: its path, the label of its folder, and either the reason why there is no
prediction, or the top five labels with their probabilities (the most probable first), whether the
prediction is confident, and the label of its nearest examples."""


def predict_folder(
    spark: "SparkSession",
    store: Results,
    classifier: Classifier,
    photos: str,
    settings: Settings,
    progress: Progress,
    examples: Examples | None = None,
    split: str | None = None,
) -> tuple[pa.Table, Listing]:
    """Predictions as rows of SCHEMA, sorted by path, and the listing of the folder.

    `neighbour` is only filled in if `examples` are given. With `split`, only the photos in folders
    of that split (see `labels.SPLITS`) are predicted.

    Raises:
        FruitsError: there are no photos, or the weights of the results are not available.
    """
    folder = open_folder(photos)
    with progress.step("list") as count:
        listing = list_photos(
            folder, settings.labels, system_files=settings.system_files, count=count
        )
    keys = listing.table
    if not keys.num_rows:
        raise PhotosError(
            f"there are no photos in {folder.address} ({listing.ignored} other files)"
        )
    if split:
        keys = keys.filter(Layout.of_photos(keys["path"]).in_split(keys["path"], split))
        if not keys.num_rows:
            raise PhotosError(
                f"no photo in {folder.address} is in a folder of the {split} split, "
                f"such as {split} or {split}_set"
            )
    with progress.step("predict", keys.num_rows) as count:
        model, settings = load_model_of(store.current(), settings)
        extraction = Extraction(folder, model, settings, classifier.views, classifier.depths)
        if examples:
            examples = replace(examples, features=directions_of(examples.features))
        predict = _Predict(classifier.to_bytes(), examples)
        parts = featurize(spark, keys, extraction, predict, count)
    return pa.concat_tables(parts).sort_by("path"), listing


@dataclass(frozen=True)
class _Predict:
    """Rows of `extract.SCHEMA` -> rows of SCHEMA; pickled and sent to workers."""

    classifier: bytes
    examples: Examples | None  # with features as of `directions_of`

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> pa.Table:
        return pa.Table.from_batches(self._predicted(batches), SCHEMA)

    def _predicted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        classifier = Classifier.from_bytes(self.classifier)
        names = np.array(classifier.labels, object)
        neighbours, labels = None, np.array([], object)
        if self.examples:
            neighbours = self.examples.features
            labels = np.array(self.examples.labels, object)
        for batch in batches:
            usable = batch.filter(pc.is_valid(batch["features"]))
            if usable.num_rows:
                features = usable["features"].flatten().to_numpy().reshape(usable.num_rows, -1)
                predictions = classifier.predict(features)
                yield _batch(
                    usable,
                    names[predictions.top].tolist(),
                    predictions.probabilities.tolist(),
                    predictions.confident.tolist(),
                    None
                    if neighbours is None
                    else nearest_label(neighbours, labels, directions_of(features)),
                )
            rejects = batch.filter(pc.is_null(batch["features"]))
            if rejects.num_rows:
                yield _batch(rejects)


def _batch(rows: pa.RecordBatch, *columns: list[Any] | None) -> pa.RecordBatch:
    """Adds the other columns of SCHEMA to rows; columns that are None or missing become null."""
    given = [*(rows[name] for name in ("path", "label", "reason")), *columns]
    given += [None] * (len(SCHEMA) - len(given))
    nulls = [None] * rows.num_rows
    return pa.record_batch([nulls if column is None else column for column in given], SCHEMA)
