"""(b) This pipeline, as `fruits featurize` and `fruits run` call it, in a session that runs.

The seconds are those of the whole verb: list, load the model, featurize, store, commit. `steps`
has the seconds that the pipeline itself counted for each.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from job import FEATURES, Figures, Job, Photos

from fruits import pipeline
from fruits.model.engine import has_bf16
from fruits.progress import Silent
from fruits.results.manifest import Manifest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def features(
    job: Job,
    engine: str = "openvino",
    precision: str = "float32",
    *,
    warm: bool = False,
    large: bool = False,
    least: int = FEATURES,
) -> Figures:
    """Features of at least so many photos: the first job in its session, or (`warm`) after a small
    one."""
    if precision == "bf16" and not has_bf16():
        return {"missing": "this CPU has no bfloat16 instructions"}
    if large:
        photos = job.large()
    else:  # the reference engine is slow: it gets fewer photos
        photos = job.copies(2) if engine == "tensorflow" else job.at_least(least)
    changes = {"engine": engine, "precision": precision}
    with job.session() as (spark, start_s):
        if warm:
            featurized(spark, job, job.few(), **changes)
        return {"spark_start_s": start_s, **featurized(spark, job, photos, **changes)}


def whole(job: Job) -> Figures:
    """Features, PCA and CSV, the first job in its session. The report, which (a) has none of, is
    made too, but its seconds are not counted."""
    photos = job.copies(2)
    with job.session() as (spark, start_s):
        figures = _measured(spark, job, photos, pipeline.run)
        figures["seconds"] -= figures["steps"]["report"]
        return {"spark_start_s": start_s, **figures}


def featurized(spark: "SparkSession", job: Job, photos: Photos, **changes: Any) -> Figures:
    """Features of some photos, from their folder to a new results folder."""
    return _measured(spark, job, photos, pipeline.featurize, **changes)


def _measured(
    spark: "SparkSession", job: Job, photos: Photos, verb: Callable[..., Manifest], **changes: Any
) -> Figures:
    results, progress = job.results(), Silent()
    start = time.perf_counter()
    manifest = verb(spark, photos.address, results, job.settings(**changes), progress)
    seconds = time.perf_counter() - start
    if manifest.counts["featurized"] != photos.count - manifest.counts["rejects"]:
        raise AssertionError(f"{photos.count} photos were due: {manifest.counts}")
    return {
        "photos": photos.count,
        "seconds": seconds,
        "steps": dict(progress.seconds),
        "results": Path(results).name,  # in the scratch folder
        "rejects": manifest.counts["rejects"],
        "components": len(manifest.explained_variance or []),
    }
