"""Where everything is written: the results folder.

Tables are lists of Parquet files (see `tables.py`), models and the evaluation have folders of their
own; no reader knows any of it until `manifest.json` names it, and the manifest is replaced in one
atomic step. So a reader that starts at the manifest never sees half a result, and a run that dies
leaves the former results as they were. What the manifest before the current one names is kept until
the next commit, for readers at work on it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa

from fruits.errors import ResultsError
from fruits.results import tables
from fruits.results.manifest import MANIFEST, TABLES, Manifest, parse
from fruits.storage import Folder, open_folder
from fruits.storage.local import LocalFolder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CSV = "results.csv"
REPORT = "report.html"
_FOLDERS = (
    *TABLES,
    "models",
    "evaluation",
    "csv",
    "sources",
    "staging",
)  # the last two are format 1's
_FILE = re.compile(r"\d{8}T\d{6}-[0-9a-f]+\.parquet")
_OURS = re.compile(r"\.?\d{8}T\d{6}-[0-9a-f]+(\..*)?")
_STAGED = re.compile(r"\.(manifest\.json|results\.csv|report\.html)\.[0-9a-f]{8}")
"""The names that `new_name` and `LocalFolder.write` give: nothing else is ever removed."""
_OTHERS_RUN = timedelta(days=1)
"""In S3, where nothing can be locked, what is younger may belong to another run at work."""


@dataclass
class Results:
    """A results folder: the manifest that was current when it was opened, and what may follow."""

    folder: Folder
    manifest: Manifest | None
    state: str | None = None
    """Of the manifest's file: a commit replaces it in this state only."""

    def current(self) -> Manifest:
        """The manifest. Raises ResultsError where there is none."""
        if self.manifest is None:
            raise ResultsError(
                f"there are no results in {self.folder.address}: "
                f"make them first, by `fruits run PHOTOS {self.folder.address}`"
            )
        return self.manifest

    def table(self, spark: "SparkSession", files: Sequence[str]) -> "DataFrame":
        """A table, by the files that the manifest names."""
        # Spark would take `[` or `{` in a path for a pattern.
        reader = spark.read.option("__globPaths__", "false")
        return reader.parquet(*(self.folder.uri(file) for file in files))

    def read(self, files: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
        """A table, or some of its columns, in memory."""
        return pa.concat_tables(tables.read(self.folder, files, columns))

    def commit(
        self, manifest: Manifest, csv: bytes | str | None = None, spent: str | None = None
    ) -> None:
        """Makes `manifest` the current one, after `csv`, a file's bytes or a staged folder. `spent`
        is the table of whose orphans all that is wanted was taken.

        What is older goes then, but what the manifest that was current until now names.

        Raises:
            ResultsError: another run has committed since these results were opened, or a file that
                the manifest names is not there.
        """
        former = self.manifest
        self._check_there(manifest)
        # From here on, whoever opened the results before can't commit any more: no two runs touch
        # the CSV and the report, and a kill leaves none, rather than those of other results.
        self._write(replace(former or manifest, csv=manifest.csv if csv is None else None))
        if former and former.paths() != manifest.paths():
            self.folder.delete(REPORT)
        if manifest.csv is None or (csv is not None and self.folder.names(CSV)):
            self.folder.delete(CSV)
        if isinstance(csv, bytes):
            self.folder.write(CSV, csv)
        elif csv:
            self.folder.move(csv, CSV)
        self._write(manifest)
        kept = manifest.paths() | (former.paths() if former else set())
        # What killed runs featurized waits for the verb that takes it over.
        waiting = {"features", "views"} - {spent}
        self._delete(path for path in self._unnamed(kept) if path.split("/")[0] not in waiting)

    def purge(self) -> None:
        """Leaves nothing but what the manifest names: no orphan, no older file or version."""
        unnamed = self._unnamed(self.manifest.paths() if self.manifest else set(), anyones=True)
        if self.manifest:
            self._write(self.manifest)  # a run at work can't commit any more: its files go
        self._delete(unnamed)
        self.folder.forget_versions()

    def write_report(self, page: bytes) -> None:
        """The report of what this manifest names; none, where another run has committed since."""
        self.folder.write(REPORT, page)
        found = self.folder.read_with_state(MANIFEST)
        if found is None or found[1] != self.state:
            self.folder.delete(REPORT)

    def orphans(self, table: str) -> list[str]:
        """Files that were written for a table by runs that did not commit them."""
        named = self.manifest.paths() if self.manifest else set()
        names = filter(_FILE.fullmatch, self.folder.names(table))
        return [file for name in names if (file := f"{table}/{name}") not in named]

    def _is_abandoned(self, name: str) -> bool:
        """Whether no other run can be at work on what no manifest names."""
        if isinstance(self.folder, LocalFolder):
            return True  # whoever asks holds the lock
        made = datetime.strptime(name.lstrip(".")[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return datetime.now(UTC) - made > _OTHERS_RUN

    def _write(self, manifest: Manifest) -> None:
        manifest = replace(manifest, commit_id=uuid4().hex)
        data = (json.dumps(asdict(manifest), indent=2) + "\n").encode()
        state = self.folder.write_over(MANIFEST, data, self.state)
        if state is None:
            # Or this very one: the answer to the first PUT was lost, and it was repeated.
            found = self.folder.read_with_state(MANIFEST)
            state = found[1] if found and found[0] == data else None
        if state is None:
            raise ResultsError(
                f"another run has written in {self.folder.address} meanwhile: run this again, "
                "which takes over what was featurized"
            )
        self.manifest, self.state = manifest, state

    def _check_there(self, manifest: Manifest) -> None:
        named = {file for table in TABLES for file in getattr(manifest, table) or ()}
        there = {f"{table}/{name}" for table in TABLES for name in self.folder.names(table)}
        if lost := sorted(named - there):
            raise ResultsError(
                f"{self.folder.address} lacks {lost[0]}, which this run has written or taken over: "
                "either another run has removed it meanwhile, then run this again; or workers have "
                "disks of their own, then give a folder that all machines share, or S3"
            )

    def _unnamed(self, named: set[str], *, anyones: bool = False) -> list[str]:
        """What was written here and is not named, unless another run may be at work on it."""
        found = [name for name in self.folder.names("") if _STAGED.fullmatch(name)]
        for folder in _FOLDERS:
            for name in filter(_OURS.fullmatch, self.folder.names(folder)):
                path = f"{folder}/{name}"
                if path not in named and (anyones or self._is_abandoned(name)):
                    found.append(path)
        return found

    def _delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.folder.delete(path)


def open_results(address: str) -> Results:
    """The results folder at an address, which need not exist yet.

    Raises:
        ResultsError: its manifest is not one that this version reads.
        StorageError: it can't be read.
    """
    folder = open_folder(address)
    if (found := folder.read_with_state(MANIFEST)) is None:
        return Results(folder, None)
    data, state = found
    return Results(folder, parse(data, folder.address), state)
