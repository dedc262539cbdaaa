"""Brings features and rejects up to date with a folder of photos, featurizing what it must.

What is known of a photo is its path and its version (size and time, or S3's etag). Features of a
photo that is still there in that version are kept; rejects are tried again, as what was wrong
(rights, a half-done upload, a limit) can have been put right without a trace on the photo.
"""

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fruits import pca
from fruits.errors import PhotosError, ReduceError, ResultsError
from fruits.features import extract
from fruits.model.engine import FILES
from fruits.model.load import Model, load_model
from fruits.photos.decode import EXTENSIONS
from fruits.photos.listing import Listing, list_photos
from fruits.progress import Progress
from fruits.results import tables
from fruits.results.manifest import KEYS, MADE_WITH, Manifest
from fruits.results.store import Results
from fruits.results.tables import Change, Keys, Writer
from fruits.session import spark_errors
from fruits.settings import Settings
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def update_features(
    spark: "SparkSession",
    folder: Folder,
    store: Results,
    settings: Settings,
    progress: Progress,
    *,
    keep_pca: bool = False,
) -> Manifest:
    """A draft of the manifest whose features and rejects are those of the folder's photos; it has
    reduced rows if no feature changed, or, with `keep_pca`, by the PCA that stands.

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
    made = made_with(model, settings)
    with progress.step("compare"):
        plan = Plan.of(store, "features", photos, made)
    done = spark.sparkContext.accumulator(0)
    todo = plan.todo
    with progress.step("featurize", todo.num_rows, lambda: int(done.value)), spark_errors():
        writer = Writer(store.folder, "features", made)
        new = extract.store(spark, todo, folder, model, settings, writer, done=done)
    with progress.step("store"), spark_errors():
        draft = _stored(spark, store, plan, new, folder, photos, model, settings, keep_pca)
    counts = {
        "listed": photos.num_rows,
        "features": plan.kept + new.rows,
        "rejects": new.rejects.num_rows,
        "ignored": listing.ignored,
        "featurized": new.rows,  # by this run
    }
    if counts["listed"] != counts["features"] + counts["rejects"]:
        raise AssertionError(f"photos got lost or doubled: {counts}")
    return replace(draft, photos=folder.address, counts=counts)


def made_with(model: Model, settings: Settings, views: int = 1) -> bytes:
    """All that features depend on beside their photo: files of features carry it."""
    facts = {"model": model.facts, "views": views}
    facts.update((name, getattr(settings, name)) for name in MADE_WITH)
    return json.dumps(facts, sort_keys=True).encode()


@dataclass(frozen=True)
class Plan:
    """What a table of features needs to hold exactly these photos."""

    files: list[str]  # of the table as it is
    change: Change  # of these files
    orphans: list[str]  # what killed runs wrote and did not commit
    adopted: Change  # of the orphans
    kept: int  # photos with features in all these
    todo: pa.Table  # the other photos
    same: bool  # all that there is stays, and nothing is adopted

    @staticmethod
    def of(store: Results, table: str, photos: pa.Table, made: bytes) -> "Plan":
        """For `photos`, rows of `listing.SCHEMA`, and features made as `made` says."""
        files = (getattr(store.manifest, table) or []) if store.manifest else []
        orphans = tables.made_as(store.folder, store.orphans(table), made)
        known, found = (Keys.of(store.folder, each, KEYS) for each in (files, orphans))
        keep = among(known.rows, photos)
        missing = photos.filter(~among(photos, known.rows))
        adopt = among(found.rows, missing) & _is_first(found.rows)
        todo = missing.filter(~among(missing, found.rows))
        return Plan(
            files,
            known.keeping(keep),
            orphans,
            found.keeping(adopt),
            int(keep.sum() + adopt.sum()),
            todo,
            bool(keep.all() and not adopt.any()),
        )

    def carried_out(
        self, spark: "SparkSession", folder: Folder, table: str
    ) -> tuple[list[str], list[str]]:
        """The table's files that stay or are rewritten, and those that come from orphans."""
        old = tables.changed(spark, folder, table, self.files, self.change)
        return old, tables.changed(spark, folder, table, self.orphans, self.adopted)


def among(rows: pa.Table, others: pa.Table) -> NDArray[np.bool_]:
    """Which of the rows are photos that are among the others, in this very version."""
    found: NDArray[np.bool_] = pc.is_in(_key(rows), _key(others)).to_numpy(zero_copy_only=False)
    return found


def _is_first(rows: pa.Table) -> NDArray[np.bool_]:
    """Which of the rows are the first ones of their photo."""
    key = _key(rows)
    first: NDArray[np.bool_] = pc.index_in(key, key).to_numpy() == np.arange(len(rows))
    return first


def _key(rows: pa.Table) -> pa.StringArray:
    """path and version, by which a photo is known."""
    return pc.binary_join_element_wise(rows["path"], rows["version"], "\0").combine_chunks()


def _stored(
    spark: "SparkSession",
    store: Results,
    plan: Plan,
    new: extract.Stored,
    folder: Folder,
    photos: pa.Table,
    model: Model,
    settings: Settings,
    keep_pca: bool,
) -> Manifest:
    """A draft that names the tables as they are now.

    Raises:
        PhotosError: there is nothing but rejects.
    """
    former, rejects = store.manifest, new.rejects.sort_by("path")
    usable = photos.filter(pc.invert(pc.is_in(photos["path"], rejects["path"])))
    if not usable.num_rows:
        raise PhotosError(
            f"none of the {photos.num_rows} photos in {folder.address} is usable, "
            f"so nothing was changed; the first one, {rejects['path'][0]}: {rejects['reason'][0]}"
        )
    old, adopted = plan.carried_out(spark, store.folder, "features")
    features = [*old, *adopted, *new.files]
    draft = Manifest(
        photos=folder.address,
        features=features,
        rejects=_rejects(store, rejects),
        labels=count_labels(usable),
        model=model.facts,
        **{name: getattr(settings, name) for name in MADE_WITH},
        erased=former.erased if former else [],
    )
    if former is None:
        return draft
    draft = _with_classifier(spark, store, draft, former, old, usable)
    same = plan.same and not new.files
    if former.reduced is None or not (same or keep_pca):
        return draft
    reduced = tables.changed(spark, store.folder, "reduced", former.reduced, plan.change)
    if added := [*adopted, *new.files]:
        reduction = pca.load(store.folder, former.models["pca"].rpartition("/")[0])
        reduced += pca.project(spark, store.folder, reduction, added)
    return replace(
        draft,
        reduced=reduced,
        models=former.models,
        csv=former.csv if same else None,
        explained_variance=former.explained_variance,
        variance=former.variance,
    )


def _with_classifier(
    spark: "SparkSession",
    store: Results,
    draft: Manifest,
    former: Manifest,
    old: list[str],
    usable: pa.Table,
) -> Manifest:
    """The draft with the classifier that there was; it keeps nothing of photos that are gone or
    changed, and takes nothing (`old` are the former features that stay) of what is new."""
    renewed: dict[tuple[str, ...], list[str] | None] = {tuple(former.features): old or None}

    def kept(table: str) -> list[str] | None:
        if (files := getattr(former, table)) is None:
            return None
        if tuple(files) not in renewed:
            keys = Keys.of(store.folder, files, KEYS)
            change = keys.keeping(among(keys.rows, usable))
            left = tables.changed(spark, store.folder, table, files, change)
            renewed[tuple(files)] = left or None
        return renewed[tuple(files)]

    return replace(
        draft,
        views=kept("views"),
        examples=kept("examples"),
        models={name: path for name, path in former.models.items() if name == "classifier"},
        classifier=former.classifier,
        evaluation=former.evaluation,
    )


def _rejects(store: Results, rejects: pa.Table) -> list[str]:
    """The files that hold these rejects: the former ones, where they are the same."""
    if store.manifest and store.read(store.manifest.rejects).equals(rejects):
        return store.manifest.rejects
    name = tables.new_file("rejects")
    tables.write(store.folder, name, rejects)
    return [name]


def count_labels(photos: pa.Table) -> dict[str, int]:
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
