"""The pipeline, step by step: each function is a verb of the `fruits` command.

    spark = start_session(s3=True)  # as Spark is to write in S3
    run(spark, "s3://bucket/photos", "s3://bucket/results")

Each takes a SparkSession and addresses; what it leaves is described in `results.py`. A step that
writes holds the results folder's lock, and commits once, at its end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fruits import reduce as reducing
from fruits.progress import Progress
from fruits.report import render
from fruits.report_content import gather
from fruits.results import CSV, REPORT, Manifest, Results, make_csv, open_results
from fruits.session import spark_errors, versions
from fruits.settings import Settings
from fruits.storage import open_folder
from fruits.update import update_features

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(
    spark: "SparkSession",
    photos: str,
    results: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Manifest:
    """Photos -> features, PCA, CSV and report. Only new and changed photos are featurized.

    Raises:
        FruitsError: what the user can put right; what stood in `results` before is untouched.
    """
    progress = progress or Progress()
    with writing(results) as store:
        draft = update_features(spark, open_folder(photos), store, settings, progress)
        draft, csv = _reduced(spark, store, draft, settings, progress)
        new = store.manifest is None or draft.paths() != store.manifest.paths()
        commit(spark, store, draft, progress, csv)
        if new or REPORT not in store.folder.names(""):
            reported(spark, store, progress)
    return store.current()


def featurize(
    spark: "SparkSession",
    photos: str,
    results: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Manifest:
    """Photos -> features and rejects. Where the features change, a PCA of the former ones goes.

    Raises:
        FruitsError: as `run`.
    """
    progress = progress or Progress()
    with writing(results) as store:
        draft = update_features(spark, open_folder(photos), store, settings, progress)
        commit(spark, store, draft, progress)
    return store.current()


def reduce(
    spark: "SparkSession",
    results: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Manifest:
    """Stored features -> PCA, CSV and report, fitted anew.

    Raises:
        FruitsError: as `run`.
    """
    progress = progress or Progress()
    with writing(results, create=False) as store:
        draft, csv = _reduced(spark, store, store.current(), settings, progress, again=True)
        commit(spark, store, draft, progress, csv)
        reported(spark, store, progress)
    return store.current()


def report(spark: "SparkSession", results: str, progress: Progress | None = None) -> str:
    """Writes `report.html` anew; returns its address.

    Raises:
        FruitsError: as `run`.
    """
    with writing(results, create=False) as store:
        return reported(spark, store, progress or Progress())


# The steps -----------------------------------------------------------------------------------


def _reduced(
    spark: "SparkSession",
    store: Results,
    draft: Manifest,
    settings: Settings,
    progress: Progress,
    *,
    again: bool = False,
) -> tuple[Manifest, bytes | str | None]:
    """The draft with a PCA of its features, and the CSV (None: both stand already).

    `again`: fit it even then, as the models may have seen photos that were erased since.
    """
    if draft.reduced and draft.csv and draft.explained_variance and not again:
        asked = (None, settings.components) if settings.components else (settings.variance, None)
        if asked in ((draft.variance, None), (None, len(draft.explained_variance))):
            return draft, None
    with progress.step("reduce"), spark_errors():
        draft = write_reduced(spark, store, draft, settings.variance, settings.components)
    with progress.step("csv"), spark_errors():
        return replace(draft, csv=CSV), stage_csv(spark, store, draft)


def write_reduced(
    spark: "SparkSession", store: Results, draft: Manifest, variance: float, components: int | None
) -> Manifest:
    """The draft with new models and reduced rows, fitted on its features."""
    features = store.table(spark, draft.features)
    reduction = reducing.fit(features, variance, components)
    models, reduced = store.new("models"), store.new("reduced")
    reduction.save(store.folder.uri(models))
    reducing.transform(reduction, features).write.parquet(store.folder.uri(reduced))
    return replace(
        draft,
        reduced=reduced,
        models={**draft.models, "scaler": f"{models}/scaler", "pca": f"{models}/pca"},
        explained_variance=[float(share) for share in reduction.explained_variance],
        variance=None if components else variance,
    )


def stage_csv(spark: "SparkSession", store: Results, draft: Manifest) -> bytes | str:
    """The CSV of the draft's reduced rows, ready for `Results.commit`."""
    rows = store.table(spark, draft.reduced or "")
    return make_csv(store, rows, draft.counts["features"], len(draft.explained_variance or []))


def commit(
    spark: "SparkSession",
    store: Results,
    draft: Manifest,
    progress: Progress,
    csv: bytes | str | None = None,
) -> None:
    manifest = replace(
        draft,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(spark),
        seconds=dict(progress.seconds),
    )
    store.commit(manifest, csv)


def reported(spark: "SparkSession", store: Results, progress: Progress) -> str:
    with progress.step("report"), spark_errors():
        page = render(gather(spark, store))
        store.folder.write(REPORT, page.encode())
    return f"{store.folder.address}/{REPORT}"


# What they are made of -----------------------------------------------------------------------


@contextmanager
def writing(address: str, *, create: bool = True) -> Iterator[Results]:
    """The results folder, locked."""
    store = open_results(address)
    if not create:
        store.current()
    with store.locked():
        yield open_results(address)
