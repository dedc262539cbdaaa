"""Results of older versions are upgraded by the next run."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from contents import manifest, table
from runs import Run

from fruits import pipeline
from fruits.erase import erase
from fruits.errors import ResultsError
from fruits.progress import Silent
from fruits.results import open_results
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
