"""Brings tables of features up to date with photos: featurizes only new and changed photos.

A photo is identified by its path and version (size and modification time on disk, ETag in S3).
Features of photos that still exist in the same version are kept. Rejects are retried, as the cause
(permissions, an interrupted upload, a limit) may have been fixed without changing the photo.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fruits import signals
from fruits.errors import PCAError, PhotosError
from fruits.features import extract
from fruits.features.extract import Extraction, Stored
from fruits.features.provenance import load_model_for, provenance
from fruits.model.load import Model
from fruits.photos.extensions import EXTENSIONS
from fruits.photos.label_table import resolved
from fruits.photos.listing import Listing, list_photos
from fruits.photos.system_files import is_inside
from fruits.progress import Count, Progress
from fruits.results import tables
from fruits.results.manifest import KEPT_TABLES, MADE_WITH, Manifest
from fruits.results.relabel import labels_differ, relabelled
from fruits.results.store import Results
from fruits.results.tables import KEYS, REJECTS, Change, Keys, Writer
from fruits.session import spark_errors
from fruits.settings import Settings
from fruits.storage import Folder, open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Updated:
    """A pending manifest, and how its features differ from the former ones."""

    pending: Manifest
    photos: pa.Table  # rows of `listing.SCHEMA`
    change: Change  # to the former files of features
    added: list[str]  # new files of features
    same: bool  # the rows are the same as before, except for their labels
    relabelled: bool  # labels of rows have changed


def update_features(
    spark: "SparkSession", folder: Folder, store: Results, settings: Settings, progress: Progress
) -> Updated:
    """Updates features and rejects to match the photos of a folder.

    The pending manifest has no PCA, and keeps the former classifier.

    Raises:
        FruitsError: there are no usable photos, or the existing features were computed in a
            different way.
    """
    former = store.manifest
    labels = settings.labels or labels_of(former)
    with progress.step("list") as count:
        listing = list_photos(folder, labels, system_files=settings.system_files, count=count)
    for notice in listing.notices:
        progress.say(notice)
    photos = listing.table
    _check_photos(listing, folder, settings)
    with progress.step("model"):
        model, settings = load_model_for(store, settings, progress)
    if former and former.photos != folder.address:
        progress.say(f"The photos are now those of {folder.address}, no longer {former.photos}.")
    made_with = provenance(model, settings)
    with progress.step("compare"):
        plan = Plan.of(store, "features", photos, made_with)
    if plan.relabel:
        progress.say("Labels have changed: stored features get the new ones.")
        if former and former.classifier:
            progress.say(
                "The classifier, which was trained on the former ones, is dropped: "
                f"run `fruits train {store.folder.address}`."
            )
    if len(plan.todo):
        signals.note(
            f"{store.folder.address} is as it was before; "
            "the next run reuses the features of finished tasks"
        )
    with progress.step("featurize", len(plan.todo)) as count, spark_errors():
        writer = Writer(store.folder, "features", made_with)
        extraction = Extraction(folder, model, settings)
        new = extract.store(spark, plan.todo, extraction, writer, count)
    rejects = new.rejects.sort_by("path")
    usable = photos.filter(pc.invert(pc.is_in(photos["path"], rejects["path"])))
    if not len(usable):
        raise PhotosError(
            f"none of the {len(photos)} photos in {folder.address} is usable, "
            f"so nothing was changed; the first one, {rejects['path'][0]}: {rejects['reason'][0]}"
        )
    with progress.step("store") as count, spark_errors():
        kept, adopted = plan.carry_out(spark, store.folder, "features", photos, count)
        added = [*adopted, *new.files]
        pending = Manifest(
            photos=folder.address,
            features=[*kept, *added],
            rejects=_rejects(store, rejects),
            counts={
                "listed": len(photos),
                "features": plan.n_kept + new.rows,
                "rejects": len(rejects),
                "ignored": listing.ignored,
                "featurized": new.rows,  # in this run
            },
            labels=count_labels(usable),
            labels_from=resolved(labels or "folder"),
            skipped=listing.skipped_by_kind,
            model=model.metadata,
            **{name: getattr(settings, name) for name in MADE_WITH},
            erased=former.erased if former else [],
        )
        if former:
            pending = _with_kept(spark, store, pending, former, kept, usable, plan.relabel, count)
    if len(usable) != pending.counts["features"]:
        raise AssertionError(f"photos got lost or doubled: {pending.counts}")
    same = plan.same and not added
    return Updated(pending, photos, plan.change, added, same, plan.relabel)


def update_views(
    spark: "SparkSession",
    store: Results,
    model: Model,
    settings: Settings,
    views: int,
    progress: Progress,
) -> list[str]:
    """Files of features at three depths over `views` views, for all labelled photos with features.

    The photos are read only if views are missing.

    Raises:
        PhotosError: none of these photos is available any more.
        StorageError: their folder is not available.
    """
    manifest = store.current()
    keys = Keys.of(store.folder, manifest.features, KEYS).rows
    made_with = provenance(model, settings, views, depths=True)
    plan = Plan.of(store, "views", keys.filter(keys["label"].is_valid()), made_with)
    new = Stored([], 0, REJECTS.empty_table())
    if len(plan.todo):
        folder = open_folder(manifest.photos)
        folder.check_there()
        with progress.step("list"):
            # Without need, folders that only root can read would end the listing.
            included = any(map(is_inside, plan.todo["path"].to_pylist()))
            photos = list_photos(folder, system_files="include" if included else "skip").table
        todo = with_labels(photos.filter(among(photos, plan.todo)), plan.todo)
        with progress.step("views", len(todo)) as count:
            writer = Writer(store.folder, "views", made_with)
            extraction = Extraction(folder, model, settings, views, depths=True)
            new = extract.store(spark, todo, extraction, writer, count)
    kept, adopted = plan.carry_out(spark, store.folder, "views", keys)
    changed = "can't be read, or have changed since they were featurized (then run `fruits run`)"
    if not plan.n_kept + new.rows:
        raise PhotosError(f"the photos in {manifest.photos} {changed}")
    if lost := len(plan.todo) - new.rows:
        progress.say(f"{lost} photos {changed}: they are left out.")
    return [*kept, *adopted, *new.files]


@dataclass(frozen=True)
class Plan:
    """The changes that make a table of features hold exactly the given photos."""

    files: list[str]  # current files of the table
    change: Change  # to these files
    orphans: list[str]  # files that killed runs wrote but did not commit
    adopted: Change  # to the orphan files: the rows to adopt
    n_kept: int  # photos with features in `files` or `orphans`
    todo: pa.Table  # the photos to featurize
    same: bool  # all rows of the table are kept, and none is adopted
    relabel: bool  # rows to keep or adopt have other labels than the photos

    @staticmethod
    def of(store: Results, table: str, photos: pa.Table, made_with: bytes) -> "Plan":
        """The plan for `photos`, rows with path and version."""
        files = (getattr(store.manifest, table) or []) if store.manifest else []
        if table == "views":  # former versions made them in another way
            files = tables.of_provenance(store.folder, files, made_with)
        orphans = tables.of_provenance(store.folder, store.orphans(table), made_with)
        known, orphaned = (Keys.of(store.folder, names, KEYS) for names in (files, orphans))
        keep = among(known.rows, photos)
        missing = photos.filter(~among(photos, known.rows))
        adopt = among(orphaned.rows, missing) & _is_first(orphaned.rows)
        todo = missing.filter(~among(missing, orphaned.rows))
        return Plan(
            files,
            known.keeping(keep),
            orphans,
            orphaned.keeping(adopt),
            int(keep.sum() + adopt.sum()),
            todo,
            bool(keep.all() and not adopt.any()),
            any(
                labels_differ(rows.filter(pa.array(wanted)), photos)
                for rows, wanted in ((known.rows, keep), (orphaned.rows, adopt))
            ),
        )

    def carry_out(
        self,
        spark: "SparkSession",
        folder: Folder,
        table: str,
        photos: pa.Table,
        count: Count | None = None,
    ) -> tuple[list[str], list[str]]:
        """Files kept or rewritten from the table, and files adopted from orphans.

        Their rows get the labels of `photos`.
        """
        kept = tables.changed(spark, folder, table, self.files, self.change, count)
        adopted = tables.changed(spark, folder, table, self.orphans, self.adopted, count)
        if not self.relabel:
            return kept, adopted
        return (
            relabelled(spark, folder, table, kept, photos, count),
            relabelled(spark, folder, table, adopted, photos, count),
        )


def among(rows: pa.Table, others: pa.Table) -> NDArray[np.bool_]:
    """Mask of the rows whose photo is among the others in the same version."""
    is_in: NDArray[np.bool_] = pc.is_in(_key(rows), _key(others)).to_numpy(zero_copy_only=False)
    return is_in


def labels_of(former: Manifest | None) -> str | None:
    """The value of the setting `labels` with which results were made; None is the default."""
    return former.labels_from if former and former.labels_from != "folder" else None


def with_labels(photos: pa.Table, others: pa.Table) -> pa.Table:
    """Photos with the labels that they have in another table."""
    places = pc.index_in(photos["path"], others["path"].combine_chunks())
    labels = others["label"].combine_chunks().take(places)
    return photos.set_column(photos.schema.get_field_index("label"), "label", labels)


def count_labels(photos: pa.Table) -> dict[str, int]:
    """The number of photos per label; the key for photos without a label is ""."""
    counts = photos["label"].value_counts().to_pylist()
    return dict(sorted((item["values"] or "", item["counts"]) for item in counts))


def _is_first(rows: pa.Table) -> NDArray[np.bool_]:
    """Mask of the first row of each photo."""
    key = _key(rows)
    first: NDArray[np.bool_] = pc.index_in(key, key).to_numpy() == np.arange(len(rows))
    return first


def _key(rows: pa.Table) -> pa.StringArray:
    """Path and version joined, which identify a photo."""
    return pc.binary_join_element_wise(rows["path"], rows["version"], "\0").combine_chunks()


def _with_kept(
    spark: "SparkSession",
    store: Results,
    pending: Manifest,
    former: Manifest,
    features: list[str],
    usable: pa.Table,
    relabel: bool,
    count: Count,
) -> Manifest:
    """The pending manifest with the tables that runs keep, and the classifier.

    Rows of removed or changed photos are dropped. With `relabel`, rows get the labels of the
    photos, and the classifier, which was trained on the former ones, is dropped. `features` are the
    kept files of the former features, which the examples may share.
    """
    renewed: dict[tuple[str, ...], list[str] | None] = {tuple(former.features): features or None}

    def without_gone(table: str) -> list[str] | None:
        if (files := getattr(former, table)) is None:
            return None
        if tuple(files) not in renewed:
            keys = Keys.of(store.folder, files, KEYS)
            change = keys.keeping(among(keys.rows, usable))
            after = tables.changed(spark, store.folder, table, files, change, count)
            if relabel:
                after = relabelled(spark, store.folder, table, after, usable, count)
            renewed[tuple(files)] = after or None
        return renewed[tuple(files)]

    if relabel:
        return replace(pending, views=without_gone("views"))
    return replace(
        pending,
        **{table: without_gone(table) for table in KEPT_TABLES},  # type: ignore[arg-type]
        models={name: path for name, path in former.models.items() if name == "classifier"},
        classifier=former.classifier,
        evaluation=former.evaluation,
    )


def _rejects(store: Results, rejects: pa.Table) -> list[str]:
    """The files that hold these rejects: the former files if nothing has changed."""
    if store.manifest and store.read(store.manifest.rejects).equals(rejects):
        return store.manifest.rejects
    name = tables.new_file("rejects")
    tables.write(store.folder, name, rejects)
    return [name]


def _check_photos(listing: Listing, folder: Folder, settings: Settings) -> None:
    """Raises early if there are too few photos."""
    n_photos = len(listing.table)
    if not n_photos:
        raise PhotosError(
            f"there are no photos in {folder.address} ({listing.ignored} other files): "
            f"photos are files in {' '.join(sorted(EXTENSIONS))}"
        )
    if settings.components and settings.components >= n_photos:
        raise PCAError(
            f"{n_photos} photos are too few for {settings.components} components: "
            f"set `components` to at most {n_photos - 1}, or `variance` instead"
        )
