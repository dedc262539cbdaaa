"""Sums computed by Spark for the classifier, and its Spark ML models."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from blobs import blobs, trained

from fruits.classifier.spark_ml import as_spark_ml
from fruits.classifier.sums import Sums, sums_of
from fruits.model.load import DEPTHS, FEATURES
from fruits.results import tables
from fruits.storage.local import LocalFolder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.parametrize("width", [FEATURES, sum(DEPTHS)])
def test_spark_computes_the_same_sums_and_predictions(
    spark: "SparkSession", tmp_path: Path, width: int
) -> None:
    examples = blobs(3, 8, spread=2.0, width=width)
    classifier, _ = trained(examples)
    labels = list(classifier.labels)
    columns = [examples.paths, examples.labels, examples.features.tolist()]
    table = pa.table(columns, names=["path", "label", "features"])
    folder = LocalFolder(str(tmp_path))
    for i in range(3):
        tables.write(folder, f"{i}.parquet", table.slice(8 * i, 8))
    sums = sums_of(spark, folder, ["0.parquet", "1.parquet", "2.parquet"], labels)
    position = np.searchsorted(labels, examples.labels)
    expected = Sums.of(examples.features, position, 3)
    assert sums.counts.tolist() == [8, 8, 8]
    for found, wanted in zip(
        [*sums.sums, *sums.products], [*expected.sums, *expected.products], strict=True
    ):
        assert found == pytest.approx(wanted, abs=1e-5)

    from pyspark.ml.functions import array_to_vector, vector_to_array

    rows = spark.createDataFrame(table)
    vectors = rows.withColumn("raw", array_to_vector(rows["features"]))
    predicted = as_spark_ml(spark, classifier).transform(vectors)
    probability = vector_to_array(predicted["probability"]).alias("p")
    table = predicted.select("features", "predicted_label", probability).toArrow()
    features = np.array(table["features"].to_pylist(), np.float32)
    scores = classifier.cosines(features) / classifier.temperature
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert np.array(table["p"].to_pylist()) == pytest.approx(probabilities, abs=1e-3)
    assert table["predicted_label"].to_pylist() == [labels[i] for i in scores.argmax(axis=1)]
