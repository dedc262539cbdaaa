"""Prediction and evaluation with a classifier of the sample photos."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from classified import SETTINGS, opened, training
from places import SAMPLES

from fruits import classify, pipeline
from fruits.classifier.predictor import Predictor
from fruits.classifier.stored import read_validation
from fruits.errors import PhotosError, ResultsError
from fruits.progress import Silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
