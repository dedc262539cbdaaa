"""Photos and results in S3 behave as in folders, but without a lock."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
from contents import manifest
from photos import ODD, save
from places import SAMPLES

from fruits import pipeline
from fruits.erase import erase
from fruits.errors import ResultsError
from fruits.progress import Silent
from fruits.results import open_results, tables
from fruits.results.csv import make_csv
from fruits.settings import Settings
from fruits.storage.s3_client import s3_client

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def photos(small: Path, tmp_path: Path) -> Path:
    shutil.copytree(small / "photos", tmp_path / "photos")
    return tmp_path / "photos"


def test_photos_in_a_bucket_give_the_same_results_as_in_a_folder(
    spark: "SparkSession", photos: Path, tmp_path: Path, settings: Settings, s3: str
) -> None:
    for name in ODD:
        save(photos / "Mangue mûre", name)
    pipeline.run(spark, str(photos), str(tmp_path / "results"), settings, Silent())
    for path in photos.rglob("*.*"):
        s3_client().upload_file(str(path), s3, f"in/{path.relative_to(photos)}")
    remote = tmp_path / "remote"
    pipeline.run(spark, f"s3://{s3}/in", str(remote), settings, Silent())
    assert manifest(remote)["photos"] == f"s3a://{s3}/in"
    pd.testing.assert_frame_equal(
        pd.read_csv(remote / "results.csv"),
        pd.read_csv(tmp_path / "results" / "results.csv"),
        atol=1e-4,
    )
    s3_client().put_object(
        Bucket=s3, Key="in/Kiwi/new.jpg", Body=(SAMPLES / "Kiwi/kiwi_06.jpg").read_bytes()
    )
    pipeline.run(spark, f"s3a://{s3}/in/", str(remote), settings, Silent())
    assert manifest(remote)["counts"]["featurized"] == 1


def test_concurrent_run_is_refused_and_loses_nothing(
    spark: "SparkSession",
    photos: Path,
    settings: Settings,
    s3: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"s3://{s3}/results"
    theirs: list[Any] = []

    def run() -> Any:
        return pipeline.run(spark, str(photos), address, settings, Silent())

    def while_another_runs(*args: Any) -> Any:
        monkeypatch.undo()  # the other run uses the real make_csv
        theirs.append(run())
        return make_csv(*args)

    def csv() -> bytes:
        return s3_client().get_object(Bucket=s3, Key="results/results.csv")["Body"].read()

    def both_at_once() -> None:
        monkeypatch.setattr("fruits.pipeline.make_csv", while_another_runs)
        with pytest.raises(
            ResultsError, match=r"another run has changed .* in the meantime: run this"
        ):
            run()

    both_at_once()  # creates results
    before = csv()
    save(photos / "Plum", "new.jpg", "purple")
    both_at_once()  # updates them
    assert csv().count(b"\n") == before.count(b"\n") + 1
    body = s3_client().get_object(Bucket=s3, Key="results/manifest.json")["Body"].read()
    assert json.loads(body)["features"] == theirs[-1].features
    again = run()
    assert again.counts["featurized"] == 0
    assert again.counts["features"] == 14
    assert again.features == theirs[-1].features


def test_erasure_invalidates_concurrent_runs_that_have_read_the_photo(
    spark: "SparkSession", photos: Path, settings: Settings, s3: str
) -> None:
    address = f"s3://{s3}/results"
    pipeline.run(spark, str(photos), address, settings, Silent())
    at_work = open_results(address)
    file = tables.new_file("features")
    rows = at_work.read(at_work.current().features)
    new = rows.set_column(0, "path", pa.array(["new.jpg"] * len(rows), pa.string()))
    tables.write(at_work.folder, file, new)
    with pytest.raises(ResultsError, match="nothing was erased"):
        erase(spark, address, ["never-was.jpg"], progress=Silent())
    assert file in at_work.orphans("features")
    assert erase(spark, address, ["new.jpg"], progress=Silent()).rows == len(rows)
    assert file not in at_work.orphans("features")
    with pytest.raises(ResultsError, match=f"{file} is missing in .* another run has removed it"):
        at_work.commit(replace(at_work.current(), features=[file]))
    with pytest.raises(ResultsError, match="another run has changed"):
        at_work.commit(at_work.current())
    assert open_results(address).current().features != [file]
