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

from fruits import pca
from fruits.features.update import update_features
from fruits.progress import Progress
from fruits.report.content import gather
from fruits.report.render import render
from fruits.results import open_results
from fruits.results.csv import make_csv
from fruits.results.manifest import Manifest, OlderFormat
from fruits.results.store import CSV, REPORT, Results, locked
from fruits.results.tables import new_name
from fruits.results.upgrade import upgraded
from fruits.session import spark_errors, versions
from fruits.settings import Settings
from fruits.storage import open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(
    spark: "SparkSession",
    photos: str,
    results: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
    *,
    keep_pca: bool = False,
) -> Manifest:
    """Photos -> features, PCA, CSV and report. Only new and changed photos are featurized.

    `keep_pca`: project them by the PCA that stands, if there is one, rather than fit it anew.

    Raises:
        FruitsError: what the user can put right; what stood in `results` before is untouched.
    """
    progress = progress or Progress()
    with writing(results, create=True) as store:
        folder = open_folder(photos)
        draft = update_features(spark, folder, store, settings, progress, keep_pca=keep_pca)
        draft, csv = _reduced(spark, store, draft, settings, progress, keep=keep_pca)
        new = store.manifest is None or draft.paths() != store.manifest.paths()
        commit(spark, store, draft, progress, csv, spent="features")
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
    with writing(results, create=True) as store:
        draft = update_features(spark, open_folder(photos), store, settings, progress)
        commit(spark, store, draft, progress, spent="features")
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
    with writing(results) as store:
        draft, csv = _reduced(spark, store, store.current(), settings, progress, again=True)
        commit(spark, store, draft, progress, csv)
        reported(spark, store, progress)
    return store.current()


def report(spark: "SparkSession", results: str, progress: Progress | None = None) -> str:
    """Writes `report.html` anew; returns its address.

    Raises:
        FruitsError: as `run`.
    """
    with writing(results) as store:
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
    keep: bool = False,
) -> tuple[Manifest, bytes | str | None]:
    """The draft with a PCA of its features, and the CSV (None: both stand already).

    `again`: fit it even then, as the models may have seen photos that were erased since. `keep`: as
    few or as many components as there are, whatever `settings` say.
    """
    asked = (None, settings.components) if settings.components else (settings.variance, None)
    stands = ((draft.variance, None), (None, len(draft.explained_variance or [])))
    if again or draft.reduced is None or (asked not in stands and not keep):
        with progress.step("reduce"), spark_errors():
            draft = write_reduced(spark, store, draft, settings.variance, settings.components)
    elif draft.csv:
        return draft, None
    with progress.step("csv"), spark_errors():
        return replace(draft, csv=CSV), make_csv(spark, store, draft)


def write_reduced(
    spark: "SparkSession", store: Results, draft: Manifest, variance: float, components: int | None
) -> Manifest:
    """The draft with new models and reduced rows, fitted on its features."""
    reduction = pca.fit_stored(spark, store.folder, draft.features, variance, components)
    models = new_name("models")
    reduction.save(store.folder, models)
    reduced = pca.project(spark, store.folder, reduction, draft.features)
    return replace(
        draft,
        reduced=reduced,
        models={**draft.models, "scaler": f"{models}/scaler", "pca": f"{models}/pca"},
        explained_variance=[float(share) for share in reduction.explained_variance],
        variance=None if components else variance,
    )


def commit(
    spark: "SparkSession",
    store: Results,
    draft: Manifest,
    progress: Progress,
    csv: bytes | str | None = None,
    spent: str | None = None,
) -> None:
    manifest = replace(
        draft,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(spark),
        seconds=dict(progress.seconds),
    )
    store.commit(manifest, csv, spent)


def reported(spark: "SparkSession", store: Results, progress: Progress) -> str:
    with progress.step("report"), spark_errors():
        store.write_report(render(gather(store)).encode())
    return f"{store.folder.address}/{REPORT}"


# What they are made of -----------------------------------------------------------------------


@contextmanager
def writing(address: str, *, create: bool = False, upgrade: bool = False) -> Iterator[Results]:
    """The results folder, locked. With `create` there need be none yet; with either, they can be of
    an older format."""

    if not create and not upgrade:
        open_results(address).current()  # or an error, before anything is made
    folder = open_folder(address)
    with locked(folder):
        try:
            store = open_results(address)
        except OlderFormat:
            store = upgraded(folder)
        yield store
