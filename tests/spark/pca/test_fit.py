"""The PCA gives the same result as Spark ML's."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from fruits.errors import PCAError
from fruits.pca.fit import fit, fit_stored, load, project, transform
from fruits.results import tables
from fruits.storage.local import LocalFolder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

RNG = np.random.default_rng(7)


def frame(spark: "SparkSession", rows: NDArray[np.float64], parts: int = 3) -> "DataFrame":
    lists = pa.array(list(rows.astype(np.float32)), pa.list_(pa.float32()))
    names = pa.array([f"p{i}" for i in range(len(rows))])
    table = pa.table({"path": names, "features": lists})
    return spark.createDataFrame(table).repartition(parts)


def correlated(n: int, d: int) -> NDArray[np.float64]:
    """n rows of d features of very different scales, with most variance in a few directions."""
    rows = RNG.normal(size=(n, 4)) @ RNG.normal(size=(4, d)) + 0.3 * RNG.normal(size=(n, d))
    return rows * np.geomspace(1e-2, 1e2, d) + np.linspace(-5, 50, d)


def components(frame: "DataFrame") -> NDArray[np.float32]:
    return np.array([row["components"] for row in frame.orderBy("path").collect()])


def test_fit_matches_spark_ml(spark: "SparkSession") -> None:
    from pyspark.ml.feature import PCA, StandardScaler
    from pyspark.ml.functions import array_to_vector, vector_to_array

    rows = frame(spark, correlated(200, 12))
    ours = fit(rows, components=5)

    vectors = rows.select("path", array_to_vector(rows["features"]).alias("raw"))
    scaler = StandardScaler(withMean=True, inputCol="raw", outputCol="scaled").fit(vectors)
    scaled = scaler.transform(vectors)
    pca = PCA(k=5, inputCol="scaled", outputCol="pc").fit(scaled)
    projected = pca.transform(scaled)
    theirs = projected.select("path", vector_to_array(projected["pc"]).alias("components"))

    np.testing.assert_allclose(ours.explained_variance, pca.explainedVariance, atol=1e-9)
    np.testing.assert_allclose(ours.mean, scaler.mean.toArray(), rtol=1e-9)
    np.testing.assert_allclose(ours.deviation, scaler.std.toArray(), rtol=1e-9)
    np.testing.assert_allclose(
        np.abs(components(transform(ours, rows))), np.abs(components(theirs)), atol=1e-4
    )


def test_fit_keeps_the_fewest_components_that_explain_the_variance(spark: "SparkSession") -> None:
    rows = frame(spark, correlated(300, 20))
    every = fit(rows, variance=1.0).explained_variance
    assert every.sum() == pytest.approx(1)
    for variance in (0.5, 0.8, 0.95):
        kept = fit(rows, variance).explained_variance
        assert kept.sum() >= variance
        assert kept[:-1].sum() < variance
        np.testing.assert_allclose(kept, every[: len(kept)], atol=1e-9)


def test_components_are_uncorrelated_and_have_the_explained_variance(spark: "SparkSession") -> None:
    rows = frame(spark, correlated(300, 15))
    reduction = fit(rows, components=6)
    covariance = np.cov(components(transform(reduction, rows)).T)
    np.testing.assert_allclose(np.diag(covariance), reduction.explained_variance * 15, rtol=1e-3)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-3)


def test_signs_do_not_depend_on_partitioning(spark: "SparkSession") -> None:
    data = correlated(120, 10)
    one, many = (transform(fit(rows), rows) for rows in (frame(spark, data, n) for n in (1, 5)))
    np.testing.assert_allclose(components(one), components(many), atol=1e-4)
    loadings = fit(frame(spark, data)).loadings
    assert (loadings[np.abs(loadings).argmax(axis=0), range(loadings.shape[1])] > 0).all()


def test_constant_feature_is_ignored(spark: "SparkSession") -> None:
    data = correlated(80, 6)
    constant = np.full((80, 1), 0.1)  # not exactly representable in binary
    with_it = fit(frame(spark, np.hstack([data, constant])), variance=0.9)
    without = fit(frame(spark, data), variance=0.9)
    np.testing.assert_allclose(with_it.explained_variance, without.explained_variance, atol=1e-9)
    assert np.isfinite(
        components(transform(with_it, frame(spark, np.hstack([data, constant]))))
    ).all()


def test_fewer_photos_than_features_are_enough(spark: "SparkSession") -> None:
    rows = frame(spark, correlated(5, 40))
    reduction = fit(rows, variance=1.0)
    assert len(reduction.explained_variance) == 4
    assert reduction.explained_variance.sum() == pytest.approx(1)
    assert components(transform(reduction, rows)).shape == (5, 4)


@pytest.mark.parametrize(
    ("rows", "asked", "message"),
    [
        (np.zeros((0, 4)), None, "at least two photos, not 0"),
        (np.ones((1, 4)), None, "not 1: add photos, or do without .*; `fruits erase` without"),
        (np.ones((3, 4)), None, "all photos have the same features"),
        (np.eye(3, 8), 3, "3 components are too many: 3 photos allow at most 2; choose fewer, by "
         "--components or --variance of `fruits run` or `fruits pca`"),
    ],
)  # fmt: skip
def test_unsuitable_input_is_refused(
    spark: "SparkSession", rows: NDArray[np.float64], asked: int | None, message: str
) -> None:
    """With advice that is right for all commands that fit: `run`, `pca`, `erase --refit`."""
    with pytest.raises(PCAError, match=message):
        fit(frame(spark, rows, 1), components=asked)


def test_saved_models_are_compatible_with_spark_ml(spark: "SparkSession", tmp_path: Path) -> None:
    from pyspark.ml.feature import PCAModel, StandardScalerModel
    from pyspark.ml.functions import array_to_vector, vector_to_array

    constant = np.full((60, 1), 7.0)
    reduction = fit(frame(spark, np.hstack([correlated(60, 8), constant])), components=3)
    reduction.save(LocalFolder(str(tmp_path)), "models")
    new = frame(spark, np.hstack([correlated(10, 8), constant[:10]]))
    scaler = StandardScalerModel.load(f"{tmp_path}/models/scaler")
    pca = PCAModel.load(f"{tmp_path}/models/pca")
    vectors = new.select("path", array_to_vector(new["features"]).alias("raw"))
    projected = pca.transform(scaler.transform(vectors))
    theirs = projected.select("path", vector_to_array(projected["projected"]).alias("components"))
    ours = components(transform(reduction, new))
    np.testing.assert_allclose(components(theirs), ours, atol=1e-5)
    assert pca.getK() == 3
    pca.write().overwrite().save(f"{tmp_path}/again/pca")  # as written by Spark itself
    scaler.write().overwrite().save(f"{tmp_path}/again/scaler")
    for path in ("models", "again"):
        loaded = load(LocalFolder(str(tmp_path)), path)
        np.testing.assert_array_equal(components(transform(loaded, new)), ours)
        np.testing.assert_array_equal(loaded.explained_variance, reduction.explained_variance)


def test_stored_features_give_the_same_result(spark: "SparkSession", tmp_path: Path) -> None:
    rows = frame(spark, correlated(90, 12), parts=1)
    table, folder = rows.toArrow(), LocalFolder(str(tmp_path))
    names = ["a.parquet", "b.parquet", "c.parquet"]
    for i, name in enumerate(names):
        part = table.slice(30 * i, 30)
        tables.write(folder, name, part.append_column("label", pa.nulls(30, pa.string())))
    ours, theirs = fit_stored(spark, folder, names, 0.9, None), fit(rows, 0.9)
    np.testing.assert_allclose(ours.loadings, theirs.loadings, atol=1e-9)
    files = project(spark, folder, ours, names)
    assert [tables.read_file(folder, file)["path"].to_pylist() for file in files] == [
        table["path"].slice(30 * i, 30).to_pylist() for i in range(3)
    ]
    projected = pa.concat_tables(tables.read(folder, files)).sort_by("path")["components"]
    np.testing.assert_allclose(
        np.array(projected.to_pylist()), components(transform(theirs, rows)), atol=1e-5
    )
