"""The classifier as a pipeline of Spark ML models."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from fruits.classifier.classifier import Classifier

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel, Transformer
    from pyspark.sql import SparkSession


def as_spark_ml(spark: "SparkSession", classifier: Classifier) -> "PipelineModel":
    """The same classifier as a Spark ML pipeline.

    It maps a vector column `raw` to `probability`, `prediction` and `predicted_label`. The models
    can only be created in the JVM.
    """
    from pyspark.ml import PipelineModel
    from pyspark.ml.classification import LogisticRegressionModel
    from pyspark.ml.common import _py2java
    from pyspark.ml.feature import (
        IndexToString,
        Normalizer,
        PCAModel,
        StandardScalerModel,
        VectorAssembler,
        VectorSlicer,
    )
    from pyspark.ml.linalg import DenseMatrix, DenseVector

    java = functools.partial(_py2java, spark.sparkContext)
    ml: Any = spark.sparkContext._jvm.org.apache.spark.ml  # type: ignore[union-attr]
    stages: list[Transformer] = []
    start = 0
    for i, space in enumerate(classifier.spaces):
        d = len(space.mean)
        one = java(DenseVector(np.ones(d)))
        indices = list(range(start, start + d))
        stages.append(VectorSlicer(inputCol="raw", outputCol=f"depth_{i}", indices=indices))
        stages.append(Normalizer(inputCol=f"depth_{i}", outputCol=f"unit_{i}", p=2.0))
        mean = java(DenseVector(space.mean))
        uid = f"StandardScaler_{i}"
        scaler = StandardScalerModel(ml.feature.StandardScalerModel(uid, one, mean))
        scaler._resetUid(uid)
        scaler._set(inputCol=f"unit_{i}", outputCol=f"centred_{i}", withMean=True, withStd=False)
        matrix = DenseMatrix(d, d, space.whitening.astype(np.float64).ravel(order="F"))
        whitening = PCAModel(ml.feature.PCAModel(f"PCA_{i}", java(matrix), one))
        whitening._resetUid(f"PCA_{i}")
        whitening._set(k=d, inputCol=f"centred_{i}", outputCol=f"whitened_{i}")
        after = Normalizer(inputCol=f"whitened_{i}", outputCol=f"direction_{i}", p=2.0)
        stages += [scaler, whitening, after]
        start += d
    columns = [f"direction_{i}" for i in range(len(classifier.spaces))]
    stages.append(VectorAssembler(inputCols=columns, outputCol="directions"))
    labels = len(classifier.labels)
    directions = np.concatenate([space.directions for space in classifier.spaces], axis=1)
    weights = directions.astype(np.float64) / (len(classifier.spaces) * classifier.temperature)
    coefficients = java(DenseMatrix(labels, start, weights.ravel(order="F")))
    nothing = java(DenseVector(np.zeros(labels)))
    regression = LogisticRegressionModel(
        ml.classification.LogisticRegressionModel(
            "LogisticRegression", coefficients, nothing, labels, True
        )
    )
    regression._resetUid("LogisticRegression")
    regression._set(featuresCol="directions")
    names = IndexToString(
        inputCol="prediction", outputCol="predicted_label", labels=list(classifier.labels)
    )
    return PipelineModel([*stages, regression, names])
