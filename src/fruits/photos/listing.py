"""Lists the photos of a folder, as an Arrow table of keys, without reading any photo.

A million keys take about 150 MB, so they are stored in columns rather than as Python objects.
"""

import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from fruits.errors import StorageError
from fruits.photos.decode import is_photo
from fruits.storage import Folder
from fruits.storage.local import LocalFolder
from fruits.storage.s3 import S3Folder, s3_client, s3_errors

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),  # relative to the folder, with `/`
        pa.field("label", pa.string()),  # the folder that holds the photo; null in the root
        pa.field("version", pa.string(), nullable=False),  # changes when the photo's bytes do
        pa.field("size", pa.int64(), nullable=False),  # bytes
        pa.field("problem", pa.string()),  # why the photo is rejected without reading it
    ]
)
_LISTERS = 16  # concurrent listings: each S3 request takes tens of milliseconds
_BATCH = 10_000  # keys converted from Python objects to columns at a time


@dataclass(frozen=True)
class Listing:
    """The photos of a folder (see SCHEMA), sorted by path, and the number of other files."""

    table: pa.Table
    ignored: int


class _Photos:
    """Photos in columns, as one object per photo would keep the garbage collector busy."""

    def __init__(self) -> None:
        self.columns: list[list[Any]] = [[] for _ in SCHEMA]

    def __len__(self) -> int:
        return len(self.columns[0])

    def add(
        self, path: str, label: str, version: str, size: int, problem: str | None = None
    ) -> None:
        paths, labels, versions, sizes, problems = self.columns
        paths.append(path)
        labels.append(label or None)
        versions.append(version)
        sizes.append(size)
        problems.append(problem)

    def extend(self, others: "_Photos") -> None:
        for column, values in zip(self.columns, others.columns, strict=True):
            column.extend(values)


@dataclass
class _Collected:
    """The photos found so far by all threads, converted to Arrow columns in batches."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    photos: _Photos = field(default_factory=_Photos)
    ignored: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, photos: _Photos, ignored: int) -> None:
        with self.lock:
            self.photos.extend(photos)
            self.ignored += ignored
            if len(self.photos) >= _BATCH:
                self.pack()

    def pack(self) -> None:
        self.batches.append(pa.record_batch(self.photos.columns, SCHEMA))
        self.photos = _Photos()


def list_photos(folder: Folder) -> Listing:
    """The photos below a folder, at any depth.

    A photo is a file with one of `decode.EXTENSIONS`; other files are only counted. Links to
    folders are followed, and a folder that is reached twice is listed once.

    Raises:
        StorageError: the folder does not exist or can't be listed.
    """
    collected = _Collected()
    if isinstance(folder, S3Folder):
        _list_s3(folder, collected)
    elif isinstance(folder, LocalFolder):
        _list_local(folder, collected)
    else:
        raise TypeError(f"don't know how to list a {type(folder).__name__}")
    collected.pack()
    table = pa.Table.from_batches(collected.batches, SCHEMA)
    return Listing(table.sort_by("path"), collected.ignored)


# Disk -----------------------------------------------------------------------------------------


def _list_local(folder: LocalFolder, collected: _Collected) -> None:
    """Lists level by level, in parallel where that helps, and follows links last."""
    folder.check_there()
    seen: set[tuple[int, int]] = set()

    def unseen(relatives: Iterable[str]) -> Iterator[str]:
        for relative in relatives:
            path = os.path.join(folder.address, relative)
            try:
                status = os.stat(path)
            except FileNotFoundError:
                continue  # deleted in the meantime
            except OSError as error:
                raise _unlistable(path, error) from None
            if (place := (status.st_dev, status.st_ino)) not in seen:
                seen.add(place)
                yield relative

    scan = partial(_scan, folder.address, collected)
    links: list[str] = []
    level = list(unseen([""]))
    # Threads only help while waiting for a network file system; with local disks they contend.
    waits = False
    with ThreadPoolExecutor(_LISTERS, "list") as pool:
        while level:
            below: list[str] = []
            wall, cpu = time.perf_counter(), time.process_time()
            for folders, linked in (pool.map if waits else map)(scan, level):
                below += folders
                links += linked
            waits = time.process_time() - cpu < (time.perf_counter() - wall) / 2
            level = list(unseen(below))
            while not level and links:
                links.sort(reverse=True)
                level = list(unseen([links.pop()]))


def _scan(root: str, collected: _Collected, relative: str) -> tuple[list[str], list[str]]:
    """Adds the photos of one folder to `collected`; returns its sub-folders and folder links."""
    photos, label = _Photos(), relative.rpartition("/")[2]
    folders: list[str] = []
    links: list[str] = []
    ignored = 0
    try:
        with os.scandir(os.path.join(root, relative)) as entries:
            for entry in entries:
                path = f"{relative}/{entry.name}" if relative else entry.name
                if _is_folder(entry):
                    (links if entry.is_symlink() else folders).append(path)
                elif is_photo(entry.name):
                    _add_local(photos, path, label, entry)
                else:
                    ignored += 1
    except OSError as error:
        raise _unlistable(os.path.join(root, relative), error) from None
    collected.add(photos, ignored)
    return folders, links


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a circular link, or a target without permission


def _unlistable(path: str, error: OSError) -> StorageError:
    return StorageError(f"can't list the folder {path!r}: {error.strerror}")


def _add_local(photos: _Photos, path: str, label: str, entry: "os.DirEntry[str]") -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown, label = (_shown(name) for name in (path, label))
        return photos.add(shown, label, "", 0, "the file's name is not valid UTF-8: rename it")
    try:
        status = entry.stat()
    except OSError as error:
        return photos.add(path, label, "", 0, f"the file can't be read ({error.strerror})")
    version = f"{status.st_size}-{status.st_mtime_ns}"
    if not stat.S_ISREG(status.st_mode):
        return photos.add(path, label, version, 0, "not a regular file")
    return photos.add(path, label, version, status.st_size)


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# Bucket ---------------------------------------------------------------------------------------


def _list_s3(folder: S3Folder, collected: _Collected) -> None:
    """Descends until there are enough prefixes to keep all listers busy, then lists each fully."""
    level = [folder.prefix]
    with ThreadPoolExecutor(_LISTERS, "list") as pool:
        while level and len(level) < _LISTERS:
            below = pool.map(partial(_list_prefix, folder, collected, "/"), level)
            level = [prefix for prefixes in below for prefix in prefixes]
        for _ in pool.map(partial(_list_prefix, folder, collected, ""), level):
            pass


def _list_prefix(folder: S3Folder, collected: _Collected, delimiter: str, prefix: str) -> list[str]:
    """Adds the photos of a prefix to `collected`; returns its sub-prefixes up to `delimiter`."""
    prefixes: list[str] = []
    with s3_errors(folder):
        pages = s3_client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=folder.bucket, Prefix=prefix, Delimiter=delimiter):
            photos, ignored = _Photos(), 0
            for item in page.get("Contents", []):
                path = item["Key"].removeprefix(folder.prefix)
                if path.endswith("/") or not path:
                    continue  # an empty object that consoles create for a folder
                if is_photo(path):
                    label = path.rpartition("/")[0].rpartition("/")[2]
                    photos.add(path, label, item["ETag"].strip('"'), item["Size"])
                else:
                    ignored += 1
            collected.add(photos, ignored)
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
    return prefixes
