"""The results folder, where all output is written.

Tables are lists of Parquet files (see `tables.py`); models and the evaluation have their own
folders. None of them is visible to readers until `manifest.json` references it, and the manifest is
replaced atomically. So a reader that starts from the manifest never sees partial results, and a
killed run leaves the former results unchanged. Files of the previous manifest are kept until the
next commit, for readers that still use them.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from fruits import signals
from fruits.errors import ResultsError, StorageError
from fruits.results.manifest import MANIFEST, TABLES, Manifest, parse
from fruits.storage import Folder, open_folder
from fruits.storage.local import LocalFolder

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

CSV = "results.csv"
REPORT = "report.html"
SUSPECTS = "suspects.csv"
REPLACED = (CSV, REPORT, SUSPECTS)
"""Written and deleted under these names, also if the user has made them: see `check_free`."""
_FOLDERS = (
    *TABLES,
    "models",
    "evaluation",
    "suspects",
    "csv",
    "sources",
    "staging",
)  # the last two are format 1's
_FILE = re.compile(r"\d{8}T\d{6}-[0-9a-f]+\.parquet")
_OURS = re.compile(r"\.?\d{8}T\d{6}-[0-9a-f]+(\..*)?")
_STAGED = re.compile(
    r"\.(manifest\.json|results\.csv|report\.html|suspects\.csv)\.[0-9a-f]{8}|\.probe-[0-9a-f]{8}"
)
"""These patterns match the names created by `new_name`, and by folders themselves: nothing else is
ever removed, apart from what `REPLACED` names, in a folder that has results."""


def _is_ours(path: str) -> bool:
    """Whether a file has a name that only runs create."""
    folder, is_below, rest = path.partition("/")
    if is_below:
        return folder in _FOLDERS and _OURS.fullmatch(rest.split("/")[0]) is not None
    return path in (MANIFEST, *REPLACED) or _STAGED.fullmatch(path) is not None


_OTHERS_RUN = timedelta(days=1)
"""In S3, which has no locks, files younger than this may belong to another active run."""


@dataclass
class Results:
    """A results folder, with the manifest that was current when it was opened or last committed."""

    folder: Folder
    manifest: Manifest | None
    state: str | None = None
    """The state of the manifest's file: a commit fails if it is in another state."""
    former_report: bytes | None = None
    """The report that a commit has deleted, whose pictures the next one reuses."""

    def current(self) -> Manifest:
        """The manifest.

        Raises:
            ResultsError: there are no results.
        """
        if self.manifest is None:
            raise ResultsError(
                f"there are no results in {self.folder.address}: "
                f"run `fruits run PHOTOS {self.folder.address}` first"
            )
        return self.manifest

    def table(self, spark: "SparkSession", files: Sequence[str]) -> "DataFrame":
        """A table as a Spark DataFrame, given its files."""
        # By default, Spark would treat `[` or `{` in a path as a pattern.
        reader = spark.read.option("__globPaths__", "false")
        return reader.parquet(*(self.folder.uri(file) for file in files))

    def read(self, files: Sequence[str], columns: Sequence[str] | None = None) -> "pa.Table":
        """A table, or some of its columns, in memory, given its files."""
        import pyarrow as pa  # not above: commands that read no table start faster without it

        from fruits.results import tables

        return pa.concat_tables(tables.read(self.folder, files, columns))

    def commit(
        self, manifest: Manifest, csv: bytes | str | None = None, spent: str | None = None
    ) -> None:
        """Replaces the CSV with `csv`, a file's bytes or a staged folder, then the manifest.

        Afterwards, deletes older files that neither this manifest nor the previous one references.
        Orphan files of features and views are kept for later runs, except those of the table
        `spent`, whose orphans are no longer needed.

        Raises:
            ResultsError: another run has committed since these results were opened, or a file that
                the manifest references is missing.
        """
        former = self.manifest
        self._check_there(manifest)
        # Upload first, and only rename then: if the storage fails now, the former results stay.
        if isinstance(csv, bytes):
            data, csv = csv, f".{CSV}.{uuid4().hex[:8]}"
            self.folder.write(csv, data)
        outdated = former is not None and former.paths() != manifest.paths()
        if outdated:
            self.former_report = self.folder.read_if_there(REPORT)
        # From here on, runs that opened the results earlier can't commit any more, so no two runs
        # write the CSV and the report. If this run is killed, there is no CSV rather than an
        # outdated one.
        with signals.committing():
            self._write(replace(former or manifest, csv=manifest.csv if csv is None else None))
            if outdated:
                self.folder.delete(REPORT)
                self.folder.delete(SUSPECTS)
            if manifest.csv is None:
                self.folder.delete(CSV)
            if csv:
                self.folder.move(csv, CSV)
            self._write(manifest)
            signals.note(
                f"{self.folder.address} has the new results; to finish, such as the report, "
                "run this again"
            )
        self._delete(self._spent(manifest.paths() | (former.paths() if former else set()), spent))

    def purge(self) -> None:
        """Deletes everything that the manifest does not reference.

        This includes orphan files, older files, and their versions in a versioned bucket. A run
        that is still active can't commit any more.
        """
        unnamed = self._unnamed(self.manifest.paths() if self.manifest else set(), anyones=True)
        if self.manifest:
            # Active runs can't commit after this, as their files are deleted.
            self._write(self.manifest)
        self._delete(unnamed)
        self.folder.forget_versions(_is_ours)

    def write_derived(self, name: str, data: bytes) -> None:
        """Writes the report or the suspects of this manifest.

        Deletes them if another run has committed since.
        """
        self.folder.write(name, data)
        current = self.folder.read_with_state(MANIFEST)
        if current is None or current[1] != self.state:
            self.folder.delete(name)

    def forget(self) -> None:
        """Deletes what no run will use again: files of earlier manifests, and old versions.

        Unlike `purge`, it leaves what active runs have written, and what later ones reuse.
        """
        self._delete(self._spent(self.manifest.paths() if self.manifest else set()))
        self.folder.forget_versions(_is_ours)

    def orphans(self, table: str) -> list[str]:
        """Files of a table that were written by runs that did not commit them."""
        named = self.manifest.paths() if self.manifest else set()
        names = filter(_FILE.fullmatch, self.folder.names(table))
        return [file for name in names if (file := f"{table}/{name}") not in named]

    def _is_abandoned(self, name: str) -> bool:
        """Whether an unreferenced file can't belong to another active run."""
        if isinstance(self.folder, LocalFolder):
            return True  # the caller holds the lock
        created = datetime.strptime(name.lstrip(".")[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return datetime.now(UTC) - created > _OTHERS_RUN

    def _write(self, manifest: Manifest) -> None:
        manifest = replace(manifest, commit_id=uuid4().hex)
        data = (json.dumps(asdict(manifest), indent=2) + "\n").encode()
        state = self.folder.write_over(MANIFEST, data, self.state)
        if state is None:
            # The response to the first PUT may have been lost, and the PUT repeated.
            current = self.folder.read_with_state(MANIFEST)
            state = current[1] if current and current[0] == data else None
        if state is None:
            raise ResultsError(
                f"another run has changed {self.folder.address} in the meantime: run this again; "
                "the features that this run has computed are reused"
            )
        self.manifest, self.state = manifest, state

    def _check_there(self, manifest: Manifest) -> None:
        named = {file for table in TABLES for file in getattr(manifest, table) or ()}
        existing = {f"{table}/{name}" for table in TABLES for name in self.folder.names(table)}
        if lost := sorted(named - existing):
            raise ResultsError(
                f"{lost[0]} is missing in {self.folder.address}, though this run needs it: "
                "if another run has removed it, run this again; if workers have disks of their "
                "own, use a folder that all machines share, or S3"
            )

    def _unnamed(self, named: set[str], *, anyones: bool = False) -> list[str]:
        """Files and folders that are not in `named`.

        Those that may belong to another active run are left out, unless `anyones`.
        """
        unnamed = [name for name in self.folder.names("") if _STAGED.fullmatch(name)]
        for folder in _FOLDERS:
            for name in filter(_OURS.fullmatch, self.folder.names(folder)):
                path = f"{folder}/{name}"
                if path not in named and (anyones or self._is_abandoned(name)):
                    unnamed.append(path)
        return unnamed

    def _spent(self, named: set[str], spent: str | None = None) -> list[str]:
        """Files not in `named` that no run will use.

        Features from killed runs are kept for the command that adopts them, except those of the
        table `spent`.
        """
        waiting = {"features", "views"} - {spent}
        return [path for path in self._unnamed(named) if path.split("/")[0] not in waiting]

    def _delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.folder.delete(path)


def open_results(address: str) -> Results:
    """Opens the results folder at an address, which need not exist yet.

    Raises:
        ResultsError: this version can't read its manifest.
        StorageError: the folder can't be read, or is in S3 under a prefix with empty names, as
            Spark's S3A can't write there.
    """
    folder = open_folder(address)
    if "//" in folder.uri("").partition("://")[2]:
        raise StorageError(f"results can't be in {address}: use a prefix without `//`")
    if (current := folder.read_with_state(MANIFEST)) is None:
        return Results(folder, None)
    data, state = current
    return Results(folder, parse(data, folder.address), state)
