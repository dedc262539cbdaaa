"""Which photos a folder holds: an Arrow table of keys, made without reading a photo.

A million keys take some 150 MB: they are kept in columns, never as Python objects.
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
        pa.field("path", pa.string(), nullable=False),  # relative to the folder, `/` between parts
        pa.field("label", pa.string()),  # the folder that holds the photo; null in the root
        pa.field("version", pa.string(), nullable=False),  # changes when the photo's bytes do
        pa.field("size", pa.int64(), nullable=False),  # bytes
        pa.field("problem", pa.string()),  # why the photo can't even be tried
    ]
)
_LISTERS = 16  # listings side by side: S3 answers each in tens of milliseconds
_BATCH = 10_000  # keys turned from Python objects into columns at a time


@dataclass(frozen=True)
class Listing:
    """The photos of a folder, sorted by path (see SCHEMA), and how many other files it holds."""

    table: pa.Table
    ignored: int


class _Photos:
    """Photos column by column: an object a photo would keep the garbage collector busy."""

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
class _Found:
    """What was found so far, by any thread, packed into Arrow columns batch by batch."""

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

    A photo is a file whose name ends in one of `photo.EXTENSIONS`; other files are only counted.
    Links to folders are followed, and a folder that is reached twice is listed once.

    Raises:
        StorageError: the folder does not exist or can't be listed.
    """
    found = _Found()
    if isinstance(folder, S3Folder):
        _list_s3(folder, found)
    elif isinstance(folder, LocalFolder):
        _list_local(folder, found)
    else:
        raise TypeError(f"don't know how to list a {type(folder).__name__}")
    found.pack()
    table = pa.Table.from_batches(found.batches, SCHEMA)
    return Listing(table.sort_by("path"), found.ignored)


# A disk --------------------------------------------------------------------------------------


def _list_local(folder: LocalFolder, found: _Found) -> None:
    """Level by level, side by side where that helps; links only when no folder is left."""
    folder.check_there()
    seen: set[tuple[int, int]] = set()

    def unseen(relatives: Iterable[str]) -> Iterator[str]:
        for relative in relatives:
            path = os.path.join(folder.address, relative)
            try:
                status = os.stat(path)
            except FileNotFoundError:
                continue  # gone since
            except OSError as error:
                raise _unlistable(path, error) from None
            if (place := (status.st_dev, status.st_ino)) not in seen:
                seen.add(place)
                yield relative

    scan = partial(_scan, folder.address, found)
    links: list[str] = []
    level = list(unseen([""]))
    # For a network's answers. A disk's are in memory, and threads in each other's way.
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


def _scan(root: str, found: _Found, relative: str) -> tuple[list[str], list[str]]:
    """One folder's photos go to `found`; its sub-folders and links to folders are returned."""
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
    found.add(photos, ignored)
    return folders, links


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle, or to where we may not look


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


# A bucket ------------------------------------------------------------------------------------


def _list_s3(folder: S3Folder, found: _Found) -> None:
    """Walk down until there are enough prefixes to keep the listers busy, then list each whole."""
    level = [folder.prefix]
    with ThreadPoolExecutor(_LISTERS, "list") as pool:
        while level and len(level) < _LISTERS:
            below = pool.map(partial(_list_prefix, folder, found, "/"), level)
            level = [prefix for prefixes in below for prefix in prefixes]
        for _ in pool.map(partial(_list_prefix, folder, found, ""), level):
            pass


def _list_prefix(folder: S3Folder, found: _Found, delimiter: str, prefix: str) -> list[str]:
    """A prefix' photos go to `found`; returns the prefixes below, where `delimiter` cuts."""
    prefixes: list[str] = []
    with s3_errors(folder):
        pages = s3_client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=folder.bucket, Prefix=prefix, Delimiter=delimiter):
            photos, ignored = _Photos(), 0
            for item in page.get("Contents", []):
                path = item["Key"].removeprefix(folder.prefix)
                if path.endswith("/") or not path:
                    continue  # the empty object by which consoles show a folder
                if is_photo(path):
                    label = path.rpartition("/")[0].rpartition("/")[2]
                    photos.add(path, label, item["ETag"].strip('"'), item["Size"])
                else:
                    ignored += 1
            found.add(photos, ignored)
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
    return prefixes
