"""Removes photos from the results, and all that was made from them (GDPR, article 17).

The photos themselves belong to whoever keeps the folder: they are not touched.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fruits.classifier.train import train_on_results
from fruits.errors import ClassifyError, PCAError, ResultsError
from fruits.features.update import count_labels
from fruits.pca.stored import fit_on_results
from fruits.photos.decode import is_photo
from fruits.progress import Progress
from fruits.report.write import write_report
from fruits.results import tables
from fruits.results.csv import make_csv
from fruits.results.manifest import TABLES, Manifest
from fruits.results.store import CSV, Results
from fruits.results.tables import EMPTY, Keys
from fruits.results.writing import commit, writing
from fruits.session import spark_errors
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_PATH = pa.schema([("path", pa.string())])


@dataclass(frozen=True)
class Erasure:
    """What was removed."""

    photos: int
    rows: int  # in all tables together
    unmatched: list[str]  # of the names given, those that name no photo in the results
    models: list[str]  # fitted models that had seen the photos, and still stand


def erase(
    spark: "SparkSession",
    results: str,
    photos: Sequence[str],
    refit: bool = False,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Erasure:
    """Removes every row made from these photos, everywhere, older copies too.

    `photos` are paths as in the results or below the folder of photos, folders or prefixes of
    such paths, or local text files that list them, a line each. `refit` fits the PCA and the
    classifier anew on what is left. The manifest keeps how many were removed and when, not which.

    Raises:
        ResultsError: none of the names names a photo in the results; nothing is changed.
        PCAError: too little is left to refit the PCA on; nothing is changed.
    """
    progress = progress or Progress()
    with writing(results, upgrade=True) as store, spark_errors():
        if store.manifest is None:
            store.purge()  # of what a first run that was killed left
        former = store.current()
        with progress.step("find"):
            both = [*former.features, *former.rejects]
            known = store.read(both, ["path"])["path"]
            known = known.combine_chunks()
            doomed, unmatched = _match(known, _names(photos, known), former.photos)
        if not len(doomed):
            store.purge()  # of what a killed run, or a killed erasure, may have left
            raise ResultsError(
                f"nothing was erased: no photo in {store.folder.address} is named by "
                f"{', '.join(photos)[:200]}"
            )
        with progress.step("erase"):
            pending, rows = _without(spark, store, former, doomed)
            csv: bytes | str | None = None
            if pending.reduced:
                if refit:
                    pending = _refitted(spark, store, pending)
                pending, csv = replace(pending, csv=CSV), make_csv(spark, store, pending)
            if refit and pending.classifier:
                pending = _retrained(spark, store, pending, pending.classifier.views)
            models = [] if refit else sorted(former.models)
            entry = {
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "photos": len(doomed),
                "rows": rows,
                "models": models,
            }
            commit(spark, store, replace(pending, erased=[*former.erased, entry]), progress, csv)
        store.purge()
        write_report(store, settings, progress)
    return Erasure(len(doomed), rows, unmatched, models)


def _without(
    spark: "SparkSession", store: Results, former: Manifest, doomed: pa.Array
) -> tuple[Manifest, int]:
    """A pending manifest without the doomed photos, and how many rows it leaves out."""
    after: dict[str, Any] = {}
    removed: dict[str, int] = {}
    for table in TABLES:
        files = getattr(former, table)
        same = [other for other in after if getattr(former, other) == files]
        if files is None or same:  # examples are features or views, unless these are many
            after[table] = after[same[0]] if same else None
            continue
        paths = Keys.of(store.folder, files, _PATH)
        wanted = pc.invert(pc.is_in(paths.rows["path"], doomed)).to_numpy()
        # Features, rejects and what is reduced are always there, the others where they have rows.
        change = paths.keeping(wanted) or ([] if table in ("views", "examples") else EMPTY)
        after[table] = tables.changed(spark, store.folder, table, files, change) or None
        removed[table] = int((~wanted).sum())
    labels = count_labels(store.read(after["features"], ["label"]))
    n_features = sum(labels.values())
    n_rejects = former.counts["rejects"] - removed["rejects"]
    counts = {
        **former.counts,
        "listed": n_features + n_rejects,
        "features": n_features,
        "rejects": n_rejects,
    }
    return replace(former, **after, labels=labels, counts=counts), sum(removed.values())


def _refitted(spark: "SparkSession", store: Results, pending: Manifest) -> Manifest:
    components = None if pending.variance else len(pending.explained_variance or [])
    try:
        return fit_on_results(spark, store, pending, pending.variance or 1, components)
    except PCAError as error:
        raise PCAError(f"nothing was erased: the PCA can't be fitted again: {error}") from None


def _retrained(spark: "SparkSession", store: Results, pending: Manifest, views: int) -> Manifest:
    """The pending manifest with a classifier of what is left, or without one."""
    try:
        return train_on_results(spark, store, pending, views)
    except ClassifyError:
        models = {name: path for name, path in pending.models.items() if name != "classifier"}
        return replace(
            pending, models=models, views=None, examples=None, classifier=None, evaluation=None
        )


def _names(given: Sequence[str], known: pa.Array) -> list[str]:
    """The names, with those that lie in a local text file in its place."""
    names: list[str] = []
    for name in given:
        if os.path.isfile(name) and not is_photo(name):
            try:
                lines = Path(name).read_text("utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError):
                raise ResultsError(f"nothing was erased: {name} is no list of photos") from None
            names += [line for line in lines if line.strip()]
        else:
            names.append(name)
    return names


def _match(known: pa.Array, names: Sequence[str], root: str) -> tuple[pa.Array, list[str]]:
    """The known paths that are named, and the names that name none.

    A name is a path; or a folder, and all below it; or else a prefix of paths.
    """
    exact = set(known.to_pylist())
    doomed: set[str] = set()
    unmatched = []
    for name in names:
        relative = _relative(name, root)
        if relative in exact:
            doomed.add(relative)
            continue
        folder = relative.rstrip("/") + "/"
        found = {path for path in exact if path.startswith(folder)}
        if not found and relative and not name.endswith("/"):
            found = {path for path in exact if path.startswith(relative)}
        doomed |= found
        if not found:
            unmatched.append(name)
    return pa.array(sorted(doomed), pa.string()), unmatched


def _relative(name: str, root: str) -> str:
    """A name as the results have it, whether it is given so or as the address of the photo."""
    if "://" in name:
        address = name.replace("s3://", "s3a://", 1).removeprefix("file://")
    else:
        address = os.path.abspath(os.path.expanduser(name))
    inside = address.startswith(f"{root.rstrip('/')}/")
    return address.removeprefix(root).lstrip("/") if inside else name
