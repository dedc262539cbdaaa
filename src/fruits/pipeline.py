"""The steps of the pipeline: each public function is a verb of the `fruits` command.

    spark = start_session(s3=True)  # Spark writes to S3
    run(spark, "s3://bucket/photos", "s3://bucket/results")

See `results/` for the output format. Each function holds the lock of the results folder while it
runs, and commits once, at the end.
"""

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from fruits.features.update import update_features
from fruits.pca import update
from fruits.progress import Progress
from fruits.report.write import write_report
from fruits.results.csv import make_csv
from fruits.results.manifest import Manifest
from fruits.results.relabel import relabelled
from fruits.results.store import CSV, REPORT, Results
from fruits.results.writing import commit, writing
from fruits.session import spark_errors
from fruits.settings import Settings
from fruits.storage import open_folder
from fruits.suspects.update import keep_suspects, read_suspects, update_suspects

if TYPE_CHECKING:
    import pyarrow as pa
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

    With `keep_pca`, new photos are projected with the existing PCA, if any, instead of refitting
    it.

    Raises:
        FruitsError: an error that the user can fix; `results` is left unchanged.
    """
    progress = progress or Progress()
    with writing(results, create=True) as store:
        pending = _updated(spark, store, photos, settings, progress, keep_pca=keep_pca)
        pending, csv = _reduced(spark, store, pending, settings, progress, keep_pca=keep_pca)
        featurized = pending.counts.get("featurized", 0)
        pending = update_suspects(store, pending, settings, progress, new=featurized)
        new = store.manifest is None or pending.paths() != store.manifest.paths()
        commit(spark, store, pending, progress, csv, spent="features")
        if new or REPORT not in store.folder.names(""):
            write_report(store, settings, progress)
    return store.current()


def featurize(
    spark: "SparkSession",
    photos: str,
    results: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Manifest:
    """Photos -> features and rejects. If features change, an existing PCA is dropped.

    Raises:
        FruitsError: as `run`.
    """
    progress = progress or Progress()
    with writing(results, create=True) as store:
        pending = _updated(spark, store, photos, settings, progress)
        pending = keep_suspects(store, pending)
        commit(spark, store, pending, progress, spent="features")
    return store.current()


def pca(
    spark: "SparkSession",
    results: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Manifest:
    """Stored features -> new PCA, CSV and report.

    Raises:
        FruitsError: as `run`.
    """
    progress = progress or Progress()
    with writing(results) as store:
        pending, csv = _reduced(spark, store, store.current(), settings, progress, again=True)
        commit(spark, store, pending, progress, csv)
        write_report(store, settings, progress)
    return store.current()


def check(
    results: str, settings: Settings = Settings(), progress: Progress | None = None
) -> "pa.Table":
    """Stored features -> photos to look at, without Spark; rewrites `suspects.csv` and the report.

    Returns rows of `suspects.table.SCHEMA`: near-duplicates, labels that are probably wrong, and
    outliers, each kind with the worst first.

    Raises:
        FruitsError: as `run`.
    """
    progress = progress or Progress()
    with writing(results) as store:
        pending = update_suspects(store, store.current(), settings, progress, always=True)
        store.commit(pending)
        write_report(store, settings, progress)
        found = read_suspects(store)
    assert found is not None
    return found


def report(results: str, settings: Settings = Settings(), progress: Progress | None = None) -> str:
    """Rewrites `report.html`, without Spark; returns its address.

    Raises:
        FruitsError: as `run`.
    """
    with writing(results) as store:
        return write_report(store, settings, progress or Progress())


# Steps ---------------------------------------------------------------------------------------


def _updated(
    spark: "SparkSession",
    store: Results,
    photos: str,
    settings: Settings,
    progress: Progress,
    *,
    keep_pca: bool = False,
) -> Manifest:
    """A pending manifest with the features of `photos`.

    It keeps the existing PCA if no features changed, other than in labels, or with `keep_pca`.
    """
    updated = update_features(spark, open_folder(photos), store, settings, progress)
    former, pending = store.manifest, updated.pending
    if former is None or former.reduced is None or not (updated.same or keep_pca):
        return pending
    with (
        nullcontext() if updated.same else progress.step("pca") as count,
        spark_errors(store.folder.address),
    ):
        pending = update.keep_pca(spark, store, pending, updated.change, updated.added, count)
        if updated.relabelled and pending.reduced:
            reduced = relabelled(
                spark, store.folder, "reduced", pending.reduced, updated.photos, count
            )
            pending = replace(pending, reduced=reduced)
    unchanged = updated.same and not updated.relabelled
    return replace(pending, csv=former.csv if unchanged else None)


def _reduced(
    spark: "SparkSession",
    store: Results,
    pending: Manifest,
    settings: Settings,
    progress: Progress,
    *,
    again: bool = False,
    keep_pca: bool = False,
) -> tuple[Manifest, bytes | str | None]:
    """The pending manifest with a PCA of its features, and the CSV; None if both already exist.

    `again` refits the PCA even then, as it may have been fitted on photos that were erased since.
    `keep_pca` keeps the current number of components, regardless of `settings`.
    """
    wanted = (None, settings.components) if settings.components else (settings.variance, None)
    there_are = ((pending.variance, None), (None, len(pending.explained_variance or [])))
    if again or pending.reduced is None or (wanted not in there_are and not keep_pca):
        with progress.step("pca") as count, spark_errors(store.folder.address):
            pending = update.fit_on_results(
                spark, store, pending, settings.variance, settings.components, count
            )
    elif pending.csv:
        return pending, None
    with progress.step("csv"), spark_errors(store.folder.address):
        return replace(pending, csv=CSV), make_csv(spark, store, pending)
