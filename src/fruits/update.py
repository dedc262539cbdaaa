"""Brings features and rejects up to date with a folder of photos, featurizing what it must.

What is known of a photo is its path and its version (size and time, or S3's etag). Features of a
photo that is still there in that version are kept; rejects are tried again, as what was wrong
(rights, a half-done upload, a limit) can have been put right without a trace on the photo.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fruits.engine import FILES
from fruits.errors import PhotosError, ReduceError, ResultsError
from fruits.featurize import featurize
from fruits.listing import Listing, list_photos
from fruits.model import Model, load_model
from fruits.photo import EXTENSIONS
from fruits.progress import Progress
from fruits.results import MADE_WITH, REJECTS, SOURCES, Manifest, Results
from fruits.session import spark_errors
from fruits.settings import Settings
from fruits.staging import Leftovers, Staging
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CHUNK = 50_000
"""Photos a Spark job: what a killed run loses at most, and what the driver hands over at once."""


def update_features(
    spark: "SparkSession",
    folder: Folder,
    store: Results,
    settings: Settings,
    progress: Progress,
) -> Manifest:
    """A draft of the manifest whose features and rejects are those of the folder's photos.

    Raises:
        FruitsError: no photo, none usable, or the features would be mixed with other ones.
    """
    with progress.step("list"):
        listing = list_photos(folder)
    photos = listing.table
    _check_photos(listing, folder, settings)
    with progress.step("model"):
        weights = settings.weights or (store.manifest.weights if store.manifest else None)
        files = FILES[settings.engine]
        model = load_model(weights, settings.cache, files, progress.say)
    decode = settings.decode or (store.manifest.decode if store.manifest else "scaled")
    settings = replace(settings, decode=decode)
    _check_same(store, model, settings)
    if store.manifest and store.manifest.photos != folder.address:
        progress.say(
            f"The results were of {store.manifest.photos}; now they follow {folder.address}."
        )
    with progress.step("compare"):
        staging = Staging(spark, store, model, settings)
        plan = _plan(folder.address, photos, store, staging)
    done = spark.sparkContext.accumulator(0)
    todo = plan.todo
    with progress.step("featurize", todo.num_rows, lambda: int(done.value)), spark_errors():
        for start in range(0, todo.num_rows, _CHUNK):
            chunk = todo.slice(start, _CHUNK)
            staging.add(featurize(spark, chunk, folder, model, settings, done=done))

    draft = store.manifest
    if draft is None or plan.changes_something(draft):
        with progress.step("store"), spark_errors():
            draft = _stored(spark, store, plan, staging)
    counts = {
        "listed": photos.num_rows,
        "features": draft.counts["features"],
        "rejects": draft.counts["rejects"],
        "ignored": listing.ignored,
        "featurized": todo.num_rows - draft.counts["rejects"],  # by this run
    }
    if counts["listed"] != counts["features"] + counts["rejects"]:
        raise AssertionError(f"photos got lost or doubled: {counts}")
    return replace(draft, photos=folder.address, counts=counts)


@dataclass(frozen=True)
class _Plan:
    """The photos of a folder (rows of `listing.SCHEMA`), by where their features come from."""

    address: str
    photos: pa.Table
    known: pa.Table  # what the current features were made from
    kept: pa.Table  # the photos among these
    leftovers: Leftovers | None
    resumed: pa.Table  # the photos that a killed run had featurized
    todo: pa.Table

    def changes_something(self, former: Manifest) -> bool:
        """Whether new data sets are due."""
        return bool(
            self.todo.num_rows
            or self.resumed.num_rows
            or len(self.kept) != len(self.known)
            or former.counts["rejects"]
        )


def _plan(address: str, photos: pa.Table, store: Results, staging: Staging) -> _Plan:
    known, leftovers = store.read_sources(), staging.leftovers()
    kept, new = split(photos, known)
    resumed, todo = split(new, leftovers.sources if leftovers else SOURCES.empty_table())
    return _Plan(address, photos, known, kept, leftovers, resumed, todo)


def _stored(spark: "SparkSession", store: Results, plan: _Plan, staging: Staging) -> Manifest:
    """A draft that names new data sets, written from what is kept, resumed and staged.

    Raises:
        PhotosError: there is nothing but rejects.
    """
    former, staged = store.manifest, staging.rows()
    rejects = staged.where("reason is not null").select(*REJECTS.names).toArrow().cast(REJECTS)
    usable = plan.photos.filter(pc.invert(pc.is_in(plan.photos["path"], rejects["path"])))
    if not usable.num_rows:
        staging.discard()
        raise PhotosError(
            f"none of the {plan.photos.num_rows} photos in {plan.address} is usable, "
            f"so nothing was changed; the first one, {rejects['path'][0]}: {rejects['reason'][0]}"
        )
    counts = {"rejects": rejects.num_rows}
    written = store.write_small("rejects", rejects)
    if former and not plan.resumed.num_rows and (len(plan.kept) == len(plan.known) == len(usable)):
        counts["features"] = former.counts["features"]
        return replace(former, rejects=written, counts=counts)
    parts = [staged.where("reason is null")]
    if former and plan.kept.num_rows:
        stored = store.table(spark, former.features)
        all_kept = len(plan.kept) == len(plan.known)
        parts.append(stored if all_kept else only(spark, stored, plan.kept))
    if plan.leftovers and plan.resumed.num_rows:
        parts.append(only(spark, plan.leftovers.rows, plan.resumed))
    features = store.new("features")
    _union(parts).write.parquet(store.folder.uri(features))
    counts["features"] = store.table(spark, features).count()
    draft = Manifest(
        photos=plan.address,
        features=features,
        rejects=written,
        sources=store.write_small("sources", usable.select(SOURCES.names)),
        counts=counts,
        labels=_count_labels(usable),
        model=staging.model.facts,
        **staging.made_with,
        erased=former.erased if former else [],
    )
    return _with_classifier(spark, store, draft, former, usable) if former else draft


def _with_classifier(
    spark: "SparkSession", store: Results, draft: Manifest, former: Manifest, usable: pa.Table
) -> Manifest:
    """The draft with the classifier that there was; it keeps nothing of photos that are gone."""
    renewed = {former.features: draft.features}

    def left(dataset: str, path: str | None) -> str | None:
        if path and path not in renewed:
            renewed[path] = store.new(dataset)
            rows = only(spark, store.table(spark, path), usable)
            rows.write.parquet(store.folder.uri(renewed[path]))
        return renewed[path] if path else None

    return replace(
        draft,
        views=left("views", former.views),
        examples=left("examples", former.examples),
        models={name: path for name, path in former.models.items() if name == "classifier"},
        classifier=former.classifier,
        evaluation=former.evaluation,
    )


def split(photos: pa.Table, known: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The photos that are among `known`, in this very version, and the others."""

    def key(table: pa.Table) -> pa.ChunkedArray:
        return pc.binary_join_element_wise(table["path"], table["version"], "\0")

    among = pc.is_in(key(photos), key(known))
    return photos.filter(among), photos.filter(pc.invert(among))


def _count_labels(photos: pa.Table) -> dict[str, int]:
    """How many photos each label has; no label is ""."""
    counted = photos["label"].value_counts().to_pylist()
    return dict(sorted((item["values"] or "", item["counts"]) for item in counted))


def _check_photos(listing: Listing, folder: Folder, settings: Settings) -> None:
    """Raises, before anything is computed, for what can't end well."""
    found = listing.table.num_rows
    if not found:
        raise PhotosError(
            f"there is no photo in {folder.address} ({listing.ignored} other files): "
            f"photos are files in {' '.join(sorted(EXTENSIONS))}"
        )
    if settings.components and settings.components >= found:
        raise ReduceError(
            f"{settings.components} components can't be had from {found} photos: "
            f"ask for at most {found - 1}, or use --variance"
        )


def _check_same(store: Results, model: Model, settings: Settings) -> None:
    """Raises ResultsError where a run would mix features that were made in different ways."""
    if (former := store.manifest) is None:
        return
    other = former.model["sha256"] != model.sha256
    made_with = [(name, getattr(former, name), getattr(settings, name)) for name in MADE_WITH]
    for what, old, new, differs in (
        ("weights", former.model["name"], model.name, other),
        *((name, old, new, old != new) for name, old, new in made_with),
    ):
        if differs:
            content = " of another content" if old == new else ""
            raise ResultsError(
                f"{store.folder.address} was made with --{what} {old}, not {new}{content}: "
                f"give another results folder, or --{what} {old}"
            )


def only(spark: "SparkSession", rows: "DataFrame", photos: pa.Table) -> "DataFrame":
    """The rows of these photos, by path, and by version where the rows tell it."""
    keys = [name for name in SOURCES.names if name in rows.columns]
    return rows.join(spark.createDataFrame(photos.select(keys)), keys, "left_semi")


def _union(parts: "Sequence[DataFrame]") -> "DataFrame":
    rows = [part.select("path", "label", "features") for part in parts]
    return functools.reduce(lambda one, other: one.unionByName(other), rows)
