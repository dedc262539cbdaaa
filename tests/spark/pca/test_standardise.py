"""Standardised features, as a step to look at before the PCA."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from fruits.errors import PCAError
from fruits.pca import fit, standardise, transform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def frame(spark: "SparkSession", rows: NDArray[np.float64]) -> "DataFrame":
    lists = pa.array(list(rows.astype(np.float32)), pa.list_(pa.float32()))
    names = pa.array([f"p{i:03}" for i in range(len(rows))])
    return spark.createDataFrame(pa.table({"path": names, "features": lists})).repartition(3)


def values(frame: "DataFrame", column: str) -> NDArray[np.float64]:
    return np.array([row[column] for row in frame.orderBy("path").collect()])


def test_each_feature_gets_mean_0_and_deviation_1(spark: "SparkSession") -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(60, 5)) * [1, 10, 0.1, 5, 0] + [0, 3, -2, 100, 7]
    features = frame(spark, rows)
    standardised = standardise(features)
    assert standardised.columns == ["path", "features"]
    scaled = values(standardised, "features")
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0, ddof=1), [1, 1, 1, 1, 0], atol=1e-5)

    ours, pipelines = fit(standardised, components=3), fit(features, components=3)
    np.testing.assert_allclose(ours.explained_variance, pipelines.explained_variance, atol=1e-6)
    np.testing.assert_allclose(
        values(transform(ours, standardised), "components"),
        values(transform(pipelines, features), "components"),
        atol=1e-4,
    )


def test_a_single_photo_is_too_few(spark: "SparkSession") -> None:
    with pytest.raises(PCAError, match="1 photos"):
        standardise(frame(spark, np.ones((1, 4))))
