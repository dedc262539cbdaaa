"""`pca.fit.fit_stored` against Spark ML's StandardScaler and PCA, on the same stored features.

Both read the features from Parquet in one warm session. They take turns for two rounds, and the
best time of each counts. The explained variances are then compared component by component.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from job import Figures, Job, timed
from numpy.typing import NDArray
from pipeline_way import featurized

from fruits.pca.fit import fit_stored
from fruits.results import open_results

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_COMPONENTS = 160
_ROUNDS = 2


def measure(job: Job) -> Figures:
    """Seconds of each fit, and the largest difference in explained variance ratio."""
    k = min(_COMPONENTS, len(job.base()) - 1)  # the second copy adds photos but no rank
    with job.session() as (spark, _):
        figures = featurized(spark, job, job.copies(2))
        store = open_results(str(job.scratch / figures["results"]))
        files = store.current().features
        features = store.table(spark, files)
        ours_s = ml_s = math.inf
        for _ in range(1 if job.quick else _ROUNDS):
            ours, seconds = timed(lambda: fit_stored(spark, store.folder, files, 1, k))
            ours_s = min(ours_s, seconds)
            ml, seconds = timed(lambda: _spark_ml(features, k))
            ml_s = min(ml_s, seconds)
    return {
        "photos": figures["photos"],
        "components": k,
        "ours_s": ours_s,
        "spark_ml_s": ml_s,
        "largest_difference": float(np.abs(ours.explained_variance - ml).max()),
    }


def _spark_ml(features: "DataFrame", k: int) -> NDArray[np.float64]:
    from pyspark.ml.feature import PCA, StandardScaler
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql.functions import col

    vectors = features.select(array_to_vector(col("features")).alias("raw"))
    scaler: Any = StandardScaler(inputCol="raw", outputCol="scaled", withMean=True, withStd=True)
    scaled = scaler.fit(vectors).transform(vectors)
    model = PCA(k=k, inputCol="scaled", outputCol="projected").fit(scaled)
    return np.asarray(model.explainedVariance.toArray())
