"""Exclusive write access to a results folder, with one commit at the end."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fruits import signals
from fruits.errors import ResultsError
from fruits.progress import Progress
from fruits.results.manifest import Manifest, OlderFormat
from fruits.results.store import Results, open_results
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
    """

    if not create and not upgrade:
        open_results(address).current()  # fail before anything is created
    folder = open_folder(address)
    signals.note(f"{address} is as it was before")
    with locked(folder):
        try:
            store = open_results(address)
        except OlderFormat:
            store = upgraded(folder)
        yield store
    signals.note(f"{address} is complete")


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
    try:
        with _lock_file(place) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ResultsError(
                    f"another run is writing to {place}: wait until it ends"
                ) from None
            yield
    finally:
        if is_new and not any(p.is_file() and p.name != ".lock" for p in place.rglob("*")):
            shutil.rmtree(place)  # nothing was written


def _lock_file(place: Path) -> IO[str]:
    try:
        return open(place / ".lock", "w")
    except OSError as error:
        raise ResultsError(
            f"can't lock {place} ({error.strerror}): you may not own it; use another folder"
        ) from None
