"""Removes photos, and everything computed from them, from the results (GDPR, article 17).

The photos themselves are not deleted; that is up to the owner of their folder.
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
from fruits.csv_cells import plain
from fruits.errors import ClassifyError, PCAError, ResultsError
from fruits.features.update import count_labels
from fruits.pca.update import fit_on_results
from fruits.photos.extensions import is_photo
from fruits.progress import Count, Progress
from fruits.report.write import write_report
from fruits.results import tables
from fruits.results.csv import make_csv
from fruits.results.manifest import KEPT_TABLES, TABLES, Manifest
from fruits.results.store import CSV, Results
from fruits.results.tables import EMPTY, Keys
from fruits.results.writing import commit, writing
from fruits.session import log, spark_errors
from fruits.settings import Settings
from fruits.suspects.update import without_erased

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_PATH = pa.schema([("path", pa.string())])


@dataclass(frozen=True)
class Erasure:
    """What was removed."""

    photos: int
    rows: int  # in all tables together
    unmatched: list[str]  # given names that match no photo in the results
    models: list[str]  # models fitted on the photos that are still in use


def erase(
    spark: "SparkSession",
    results: str,
    photos: Sequence[str],
    refit: bool = False,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Erasure:
    """Removes all rows computed from these photos, including older copies.

    `photos` are paths as in the results or below the folder of photos, folders or prefixes of
    such paths, or local text files that list them, one per line. With `refit`, the PCA and the
    classifier are refitted on the remaining photos. The manifest records how many photos were
    removed and when, but not which. Files that an unfinished run or erasure has left are deleted,
    too, if they contain these photos.

    Raises:
        ResultsError: no name matches a photo in the results, or in such files.
        PCAError: too few photos are left to refit the PCA; nothing is changed.
    """
    progress = progress or Progress()
    with writing(results, upgrade=True) as store, spark_errors(results):
        if store.manifest is None:
            store.purge()
            raise ResultsError(
                f"there are no results in {store.folder.address}; "
                "what an unfinished run may have left there was deleted"
            )
        former = store.current()
        with progress.step("find"):
            both = [*former.features, *former.rejects]
            known = store.read(both, ["path"])["path"]
            known = known.combine_chunks()
            doomed, unmatched = _match(known, _names(photos), former.photos)
        if not len(doomed):
            store.forget()
            if left := _left(store, photos):
                store.purge()
                log.empty(settings.cache)
                return Erasure(*left, [], [])
            raise ResultsError(
                f"nothing was erased: no photo in {store.folder.address} matches "
                f"{', '.join(photos)[:200]}"
            )
        with progress.step("erase") as count:
            pending, rows = _without(spark, store, former, doomed, count)
            pending = without_erased(store, pending, doomed)
            csv: bytes | str | None = None
            if pending.reduced:
                if refit:
                    pending = _refitted(spark, store, pending, count)
                pending, csv = replace(pending, csv=CSV), make_csv(spark, store, pending)
            if refit and pending.classifier:
                pending = _retrained(spark, store, pending, pending.classifier.views, count)
            models = [] if refit else sorted(former.models)
            entry = {
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "photos": len(doomed),
                "rows": rows,
                "models": models,
            }
            commit(spark, store, replace(pending, erased=[*former.erased, entry]), progress, csv)
        store.purge()
        log.empty(settings.cache)  # errors of earlier runs may name the photos
        write_report(store, settings, progress)
    return Erasure(len(doomed), rows, unmatched, models)


def _left(store: Results, photos: Sequence[str]) -> tuple[int, int] | None:
    """How many of these photos unfinished runs have left files of, and the rows in them."""
    files = [file for table in TABLES for file in store.orphans(table)]
    if not files:
        return None
    paths = store.read(files, ["path"])["path"].combine_chunks()
    doomed, _ = _match(pc.unique(paths), _names(photos), store.current().photos)
    return (len(doomed), pc.sum(pc.is_in(paths, doomed)).as_py()) if len(doomed) else None


def _without(
    spark: "SparkSession", store: Results, former: Manifest, doomed: pa.Array, count: Count
) -> tuple[Manifest, int]:
    """A pending manifest without the doomed photos, and the number of removed rows."""
    after: dict[str, Any] = {}
    removed: dict[str, int] = {}
    for table in TABLES:
        files = getattr(former, table)
        same = [other for other in after if getattr(former, other) == files]
        if files is None or same:  # unless sampled, examples share the files of features or views
            after[table] = after[same[0]] if same else None
            continue
        paths = Keys.of(store.folder, files, _PATH)
        wanted = pc.invert(pc.is_in(paths.rows["path"], doomed)).to_numpy()
        change = paths.keeping(wanted) or ([] if table in KEPT_TABLES else EMPTY)
        after[table] = tables.changed(spark, store.folder, table, files, change, count) or None
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


def _refitted(spark: "SparkSession", store: Results, pending: Manifest, count: Count) -> Manifest:
    components = None if pending.variance else len(pending.explained_variance or [])
    try:
        return fit_on_results(spark, store, pending, pending.variance or 1, components, count)
    except PCAError as error:
        raise PCAError(f"nothing was erased: the PCA can't be fitted again: {error}") from None


def _retrained(
    spark: "SparkSession", store: Results, pending: Manifest, views: int, count: Count
) -> Manifest:
    """The pending manifest with a classifier of the remaining photos, or without one."""
    try:
        return train_on_results(spark, store, pending, views, count)
    except ClassifyError:
        models = {name: path for name, path in pending.models.items() if name != "classifier"}
        return replace(
            pending, models=models, views=None, examples=None, classifier=None, evaluation=None
        )


def _names(given: Sequence[str]) -> list[str]:
    """The names, with local text files replaced by the names they list."""
    names: list[str] = []
    for name in given:
        if os.path.isfile(name) and not is_photo(name):
            try:
                lines = Path(name).read_text("utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError):
                raise ResultsError(f"nothing was erased: {name} is not a list of photos") from None
            names += [line for line in lines if line.strip()]
        else:
            names.append(name)
    return names


def _match(known: pa.Array, names: Sequence[str], root: str) -> tuple[pa.Array, list[str]]:
    """The known paths that match a name, and the names that match none.

    A name is a path; or a folder, which matches everything below it; or else a prefix of paths.
    Names are tried as results.csv has them, escaped, and then as they are; and after both as
    addresses of photos.
    """
    exact = set(known.to_pylist())
    doomed: set[str] = set()
    unmatched = []
    for name, in_csv in zip(names, plain(pa.array(names, pa.string())).to_pylist(), strict=True):
        written = [in_csv, name]
        ways = dict.fromkeys([*written, *(_relative(each, root) for each in written)])
        found = (find(exact, way) for find in (_below, _beginning) for way in ways)
        matches = next(filter(None, found), set())
        doomed |= matches
        if not matches:
            unmatched.append(name)
    return pa.array(sorted(doomed), pa.string()), unmatched


def _below(known: set[str], name: str) -> set[str]:
    """The path with this name, or those in the folder with this name."""
    if name in known:
        return {name}
    folder = name.rstrip("/") + "/"
    return {path for path in known if path.startswith(folder)}


def _beginning(known: set[str], name: str) -> set[str]:
    """The paths that begin with a name, which is no folder."""
    if not name or name.endswith("/"):
        return set()
    return {path for path in known if path.startswith(name)}


def _relative(name: str, root: str) -> str:
    """A name relative to the folder of photos, given as the address of the photo."""
    if "://" in name:
        address = name.replace("s3://", "s3a://", 1).removeprefix("file://")
    else:
        address = os.path.abspath(os.path.expanduser(name)) + "/" * name.endswith("/")
    inside = root if root.endswith("/") else f"{root}/"
    return address.removeprefix(inside) if address.startswith(inside) else name
