"""(a) The baseline: the same job with the approach of public notebooks.

Photos are read through the JVM (`binaryFile`) and distributed by `repartition`; an iterator pandas
UDF builds MobileNetV2 from broadcast weights and calls `predict` on each batch. Nothing is cached,
so features are recomputed each time they are needed. A first PCA with all components determines how
many explain 95% of the variance, and a second one is fitted with that number. TensorFlow uses its
default number of threads.

Timed from the first Spark job to the last row written, in a running session.
"""

import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from job import Figures, Job
from PIL import Image

from fruits.model.frameworks import build
from fruits.model.load import FEATURES, load_model

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PARTITIONS = 24
_VARIANCE = 0.95


def features(job: Job, *, large: bool = False) -> Figures:
    """Features only: the seconds it takes to write them to Parquet."""
    photos = job.large() if large else job.copies(2)
    spark = _session(job)
    rows = _featurized(spark, job, photos.address)
    start = time.perf_counter()
    rows.select("path", "label", "features").write.parquet(job.results())
    return {"photos": photos.count, "seconds": time.perf_counter() - start}


def whole(job: Job) -> Figures:
    """Features, scaling, PCA and writing to Parquet: seconds in total and per step."""
    from pyspark.ml.feature import PCA, StandardScaler
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql.functions import col

    photos = job.copies(2)
    spark = _session(job)
    rows = _featurized(spark, job, photos.address)
    start = time.perf_counter()
    vectors = rows.withColumn("vector", array_to_vector(col("features")))
    scaler = StandardScaler(inputCol="vector", outputCol="scaled", withMean=True, withStd=True)
    scaled = scaler.fit(vectors).transform(vectors)
    scaler_end = time.perf_counter()
    most = min(FEATURES, photos.count - 1)
    all_shares = PCA(k=most, inputCol="scaled", outputCol="components").fit(scaled)
    shares = np.cumsum(all_shares.explainedVariance.toArray())
    k = min(int(np.searchsorted(shares, _VARIANCE)) + 1, most)
    choice_end = time.perf_counter()
    pca = PCA(k=k, inputCol="scaled", outputCol="components").fit(scaled)
    pca_end = time.perf_counter()
    pca.transform(scaled).select("path", "label", "components").write.parquet(job.results())
    end = time.perf_counter()
    return {
        "photos": photos.count,
        "seconds": end - start,
        "steps": {
            "scaler": scaler_end - start,
            "choose k": choice_end - scaler_end,
            "pca": pca_end - choice_end,
            "write": end - pca_end,
        },
        "components": k,
    }


def _session(job: Job) -> "SparkSession":
    """Spark with its defaults, except for what it needs to run quietly on this machine."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{job.cores}]")
    for key, value in {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _featurized(spark: "SparkSession", job: Job, photos: str) -> "DataFrame":
    """path, label, features array<float>; recomputed on each use."""
    from pyspark.sql.functions import col, element_at, split
    from pyspark.sql.pandas.functions import pandas_udf

    weights = spark.sparkContext.broadcast(_weights(job))

    # Nested, like a notebook's cells: workers get these functions by value and need no import.
    def prepared(content: bytes) -> Any:
        from keras.applications.mobilenet_v2 import preprocess_input

        image = Image.open(io.BytesIO(content)).convert("RGB").resize((224, 224))
        return preprocess_input(np.asarray(image, np.float32))

    def featurize(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        from keras.applications import MobileNetV2

        shape = (224, 224, 3)
        model = MobileNetV2(include_top=False, pooling="avg", weights=None, input_shape=shape)
        model.set_weights(weights.value)
        for batch in batches:
            predicted = model.predict(np.stack([prepared(content) for content in batch]), verbose=0)
            yield pd.Series(list(predicted))

    udf = pandas_udf(featurize, "array<float>")  # type: ignore[call-overload]
    reader = spark.read.format("binaryFile").option("pathGlobFilter", "*.jpg")
    files = reader.option("recursiveFileLookup", "true").load(photos)
    # Each partition spends seconds building the model, so few photos get fewer partitions.
    spread = files.repartition(job.cores if job.quick else _PARTITIONS)
    label = element_at(split(col("path"), "/"), -2)
    return spread.select("path", label.alias("label"), udf("content").alias("features"))


def _weights(job: Job) -> list[Any]:
    """The pipeline's weights, in Keras' format."""
    settings = job.settings()
    exported = load_model(settings.weights, settings.cache, ("trunk.weights.h5",))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trunk.weights.h5")
        path.write_bytes(exported.files["trunk.weights.h5"])
        model = build()
        model.load_weights(path)
    weights: list[Any] = model.get_weights()
    return weights
