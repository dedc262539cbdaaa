"""Classifiers of three depths of the network, and those of the last layer from former versions."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import pytest
from classified import SETTINGS
from copies import copy_results

from fruits import classify
from fruits.classifier.predictor import Predictor
from fruits.classifier.stored import read_examples
from fruits.classifier.train import train_on_results
from fruits.features import extract
from fruits.features.extract import Extraction
from fruits.features.provenance import load_model_of, provenance
from fruits.model.load import DEPTHS, FEATURES
from fruits.photos.listing import list_photos
from fruits.progress import Silent
from fruits.results import open_results
from fruits.results.tables import Writer
from fruits.results.writing import commit, writing
from fruits.storage import open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VIEWS = 6


@pytest.fixture
def former(classified: Path, tmp_path: Path, spark: "SparkSession") -> Path:
    """Results whose views and classifier are those of a former version: of the last layer alone."""
    copy_results(classified, tmp_path)
    with writing(str(tmp_path / "results")) as store:
        pending = store.current()
        model, settings = load_model_of(pending, SETTINGS)
        folder = open_folder(pending.photos)
        photos = list_photos(folder).table
        photos = photos.filter(pc.is_valid(photos["label"]))
        writer = Writer(store.folder, "views", provenance(model, settings, VIEWS))
        views = extract.store(spark, photos, Extraction(folder, model, settings, VIEWS), writer)
        pending = train_on_results(spark, store, replace(pending, views=views.files), VIEWS)
        commit(spark, store, pending, Silent(), spent="views")
    return tmp_path


def test_a_photo_has_the_same_features_in_training_and_prediction(classified: Path) -> None:
    results = str(classified / "results")
    examples = read_examples(open_results(results))
    assert examples.features.shape[1] == sum(DEPTHS)
    predictor = Predictor(results, SETTINGS)
    photo = (classified / "photos" / examples.paths[0]).read_bytes()
    np.testing.assert_allclose(
        predictor.predict(photo).features, examples.features[0], rtol=0, atol=1e-3
    )


def test_a_classifier_of_a_former_version_is_used_until_the_next_training(
    spark: "SparkSession", former: Path
) -> None:
    results, photos = str(former / "results"), str(former / "photos")
    assert read_examples(open_results(results)).features.shape[1] == FEATURES
    one = Predictor(results, SETTINGS).predict((former / "photos/Kiwi/kiwi_01.jpg").read_bytes())
    on_spark = classify.predict(spark, results, photos, SETTINGS, Silent()).to_pylist()
    (same,) = [row for row in on_spark if row["path"] == "Kiwi/kiwi_01.jpg"]
    assert (one.label, one.features.shape) == ("Kiwi", (FEATURES,))
    assert same["label_1"] == "Kiwi"
    assert same["probability_1"] == pytest.approx(one.probability, abs=1e-3)

    trained = classify.train(spark, results, SETTINGS, progress=Silent()).classifier
    assert trained is not None
    assert trained.depths == len(DEPTHS)
    assert read_examples(open_results(results)).features.shape[1] == sum(DEPTHS)
