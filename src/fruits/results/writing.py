"""Exclusive write access to a results folder, with one commit at the end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fruits import signals
from fruits.errors import ResultsError
from fruits.progress import Progress
from fruits.results.manifest import MANIFEST, Manifest, OlderFormat
from fruits.results.store import REPLACED, Results, open_results
from fruits.results.upgrade import upgraded
from fruits.session import versions
from fruits.storage import Folder, open_folder
from fruits.storage.local import LocalFolder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@contextmanager
def writing(address: str, *, create: bool = False, upgrade: bool = False) -> Iterator[Results]:
    """Opens and locks a results folder.

    With `create`, there need not be any results yet. With `create` or `upgrade`, results of an
    older format are upgraded.

    Raises:
        ResultsError: there are no results, unless `create`; with it, as `check_free`.
    """
    signals.note(f"{address} is as it was before")
    folder = open_folder(address)
    # Fail before anything is created.
    if create:
        check_free(folder)
    elif not upgrade:
        open_results(address).current()
    with locked(folder):
        try:
            store = open_results(address)
        except OlderFormat:
            store = upgraded(folder)
        yield store
    signals.note(f"{address} is complete")


def check_free(folder: Folder) -> None:
    """Checks that new results would replace no file of the user's.

    Commits write a manifest before anything else that has a fixed name. So where there is none,
    such a file is not of a run, not even of a killed one.

    Raises:
        ResultsError: there is such a file, and no manifest.
    """
    if folder.read_if_there(MANIFEST) is not None:
        return
    names = folder.names("")  # a manifest, too, if another run has just committed
    if MANIFEST not in names and (taken := [name for name in REPLACED if name in names]):
        raise ResultsError(
            f"{folder.address} has a {taken[0]}, but no results: a run would replace it; "
            "use another results folder, or move it elsewhere"
        )


def commit(
    spark: "SparkSession",
    store: Results,
    pending: Manifest,
    progress: Progress,
    csv: bytes | str | None = None,
    spent: str | None = None,
) -> None:
    """Commits the pending manifest, after adding the time, versions and durations."""
    manifest = replace(
        pending,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(spark),
        seconds=dict(progress.seconds),
    )
    store.commit(manifest, csv, spent)


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Locks a local results folder against other runs; the lock is released with the process.

    Raises:
        ResultsError: another run holds the lock.
        StorageError: the folder is not writable.
    """
    if not isinstance(folder, LocalFolder):
        folder.check_writable()
        yield
        return
    place = Path(folder.address)
    is_new = not place.exists()
    folder.check_writable()
    with _lock_file(place):
        try:
            yield
        finally:
            if is_new:
                _remove_if_unused(place)


def _lock_file(place: Path) -> IO[str]:
    """The locked lock file; closing it releases the lock."""
    path = place / ".lock"
    while True:
        try:
            place.mkdir(parents=True, exist_ok=True)
            lock = open(path, "a")  # noqa: SIM115 (not "w": it may be the user's)
        except OSError as error:
            raise ResultsError(
                f"can't lock {place} ({error.strerror}): you may not own it; use another folder"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ResultsError(f"another run is writing to {place}: wait until it ends") from None
        # A run that failed may have removed the folder in the meantime: then this lock keeps nobody
        # out.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        lock.close()


def _remove_if_unused(place: Path) -> None:
    """Removes a locked folder if nothing was written there."""
    if any(path.is_file() and path.name != ".lock" for path in place.rglob("*")):
        return
    (place / ".lock").unlink(missing_ok=True)
    for folder, _, _ in os.walk(place, topdown=False):
        with suppress(OSError):  # another run has just written there
            os.rmdir(folder)
