"""Classifiers of three depths of the network, and those of the last layer from former versions."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import pytest
from classified import KINDS, SETTINGS
from copies import copy_results
from photos import save
from places import SAMPLES

from fruits import classify, pipeline
from fruits.classifier.predictor import Predictor
from fruits.classifier.stored import read_examples
from fruits.classifier.train import train_on_results
from fruits.erase import erase
from fruits.errors import ClassifyError
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

    save(former / "photos" / "Kiwi", "new.png")  # its views are new, the others are former ones
    pipeline.run(spark, photos, results, SETTINGS, Silent())
    trained = classify.train(spark, results, SETTINGS, progress=Silent()).classifier
    assert trained is not None
    assert trained.depths == len(DEPTHS)
    assert read_examples(open_results(results)).features.shape[1] == sum(DEPTHS)


def test_a_classifier_without_its_examples_still_predicts(
    spark: "SparkSession", classified: Path, tmp_path: Path
) -> None:
    copy_results(classified, tmp_path)
    results, photo = str(tmp_path / "results"), tmp_path / "photos/Kiwi/kiwi_01.jpg"
    data = photo.read_bytes()
    erase(spark, results, [f"{kind}/" for kind in KINDS], progress=Silent())
    predictor = Predictor(results, SETTINGS)
    prediction = predictor.predict(data)
    assert (prediction.label, predictor.nearest(prediction, 4)) == ("Kiwi", [])
    with pytest.raises(ClassifyError, match="was trained on are gone: run `fruits train"):
        classify.evaluate(spark, results, str(tmp_path / "photos"), SETTINGS, Silent())


def test_files_without_a_photo_to_train_on_are_skipped(
    spark: "SparkSession", tmp_path: Path
) -> None:
    photos, results = tmp_path / "photos", str(tmp_path / "results")
    for kind in ("Kiwi", "Lemon", "Banana"):
        shutil.copytree(SAMPLES / kind, photos / "Train" / kind)
    pipeline.run(spark, str(photos), results, SETTINGS, Silent())
    shutil.copytree(SAMPLES / "Kiwi", photos / "Test" / "Kiwi")  # in a file of their own
    pipeline.run(spark, str(photos), results, SETTINGS, Silent())
    trained = classify.train(spark, results, SETTINGS, views=1, progress=Silent()).classifier
    assert trained is not None
    assert trained.held_out == len(list((SAMPLES / "Kiwi").iterdir()))
