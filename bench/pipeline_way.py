"""(b) This pipeline, called as in `fruits featurize` and `fruits run`, in a running session.

`seconds` covers the whole command: list, load the model, featurize, store, commit. `steps` has the
duration of each step as reported by the pipeline.
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
    """Features of at least `least` photos, as the first job of a session or, if `warm`, after a
    small one."""
    if precision == "bf16" and not has_bf16():
        return {"missing": "this CPU has no bfloat16 instructions"}
    if large:
        photos = job.large()
    else:  # fewer photos for the slow reference engine
        photos = job.copies(2) if engine == "tensorflow" else job.at_least(least)
    changes = {"engine": engine, "precision": precision}
    with job.session() as (spark, start_s):
        if warm:
            featurized(spark, job, job.few(), **changes)
        return {"spark_start_s": start_s, **featurized(spark, job, photos, **changes)}


def whole(job: Job) -> Figures:
    """Features, PCA and CSV, as the first job of a session. The report is created too but not
    timed, as (a) has none."""
    photos = job.copies(2)
    with job.session() as (spark, start_s):
        figures = _measured(spark, job, photos, pipeline.run)
        figures["seconds"] -= figures["steps"]["report"]
        return {"spark_start_s": start_s, **figures}


def featurized(spark: "SparkSession", job: Job, photos: Photos, **changes: Any) -> Figures:
    """Extract the features of a folder of photos into a new results folder."""
    return _measured(spark, job, photos, pipeline.featurize, **changes)


def _measured(
    spark: "SparkSession", job: Job, photos: Photos, verb: Callable[..., Manifest], **changes: Any
) -> Figures:
    results, progress = job.results(), Silent()
    start = time.perf_counter()
    manifest = verb(spark, photos.address, results, job.settings(**changes), progress)
    seconds = time.perf_counter() - start
    if manifest.counts["featurized"] != photos.count - manifest.counts["rejects"]:
        raise AssertionError(f"expected {photos.count} photos: {manifest.counts}")
    return {
        "photos": photos.count,
        "seconds": seconds,
        "steps": dict(progress.seconds),
        "results": Path(results).name,  # in the scratch folder
        "rejects": manifest.counts["rejects"],
        "components": len(manifest.explained_variance or []),
    }
