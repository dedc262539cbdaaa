"""Which photos a folder holds: an Arrow table of keys, made without reading a photo.

A million keys take some 150 MB: they are kept in columns, never as Python objects.
"""

import os
import stat
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from fruits.errors import StorageError
from fruits.photo import is_photo
from fruits.s3 import S3Folder, s3_client, s3_errors
from fruits.storage import Folder, LocalFolder

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),  # relative to the folder, `/` between parts
        pa.field("label", pa.string()),  # the folder that holds the photo; null in the root
        pa.field("version", pa.string(), nullable=False),  # changes when the photo's bytes do
        pa.field("size", pa.int64(), nullable=False),  # bytes
        pa.field("problem", pa.string()),  # why the photo can't even be tried
    ]
)
_Row = dict[str, object]
_LISTERS = 16  # listings side by side: S3 answers each in tens of milliseconds
_BATCH = 10_000  # keys turned from Python objects into columns at a time


@dataclass(frozen=True)
class Listing:
    """The photos of a folder, sorted by path (see SCHEMA), and how many other files it holds."""

    table: pa.Table
    ignored: int


@dataclass
class _Columns:
    """Photos as they are found, by any thread, packed into Arrow columns batch by batch."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    rows: list[_Row] = field(default_factory=list)
    ignored: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rows: list[_Row], ignored: int) -> None:
        with self.lock:
            self.rows += rows
            self.ignored += ignored
            if len(self.rows) >= _BATCH:
                self.pack()

    def pack(self) -> None:
        self.batches.append(pa.RecordBatch.from_pylist(self.rows, SCHEMA))
        self.rows = []


def list_photos(folder: Folder) -> Listing:
    """The photos below a folder, at any depth.

    A photo is a file whose name ends in one of `photo.EXTENSIONS`; other files are only counted.
    Links to folders are followed, and a folder that is reached twice is listed once.

    Raises:
        StorageError: the folder does not exist or can't be listed.
    """
    columns = _Columns()
    if isinstance(folder, S3Folder):
        _list_s3(folder, columns)
    elif isinstance(folder, LocalFolder):
        _list_local(folder, columns)
    else:
        raise TypeError(f"don't know how to list a {type(folder).__name__}")
    columns.pack()
    table = pa.Table.from_batches(columns.batches, SCHEMA)
    return Listing(table.sort_by("path"), columns.ignored)


def _row(path: str, version: str, size: int, problem: str | None = None) -> _Row:
    label = path.rpartition("/")[0].rpartition("/")[2]
    return {
        "path": path,
        "label": label or None,
        "version": version,
        "size": size,
        "problem": problem,
    }


# A disk --------------------------------------------------------------------------------------


def _list_local(folder: LocalFolder, columns: _Columns) -> None:
    """Level by level, the folders of a level side by side; links only when no folder is left."""
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

    scan = partial(_scan, folder.address, columns)
    links: list[str] = []
    level = list(unseen([""]))
    with ThreadPoolExecutor(_LISTERS, "list") as pool:
        while level:
            found: list[str] = []
            for folders, linked in pool.map(scan, level):
                found += folders
                links += linked
            level = list(unseen(found))
            while not level and links:
                links.sort(reverse=True)
                level = list(unseen([links.pop()]))


def _scan(root: str, columns: _Columns, relative: str) -> tuple[list[str], list[str]]:
    """One folder's photos go to `columns`; its sub-folders and links to folders are returned."""
    rows: list[_Row] = []
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
                    rows.append(_local_row(path, entry))
                else:
                    ignored += 1
    except OSError as error:
        raise _unlistable(os.path.join(root, relative), error) from None
    columns.add(rows, ignored)
    return folders, links


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle, or to where we may not look


def _unlistable(path: str, error: OSError) -> StorageError:
    return StorageError(f"can't list the folder {path!r}: {error.strerror}")


def _local_row(path: str, entry: "os.DirEntry[str]") -> _Row:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        return _row(shown, "", 0, "the file's name is not valid UTF-8: rename it")
    try:
        status = entry.stat()
    except OSError as error:
        return _row(path, "", 0, f"the file can't be read ({error.strerror})")
    version = f"{status.st_size}-{status.st_mtime_ns}"
    if not stat.S_ISREG(status.st_mode):
        return _row(path, version, 0, "not a regular file")
    return _row(path, version, status.st_size)


# A bucket ------------------------------------------------------------------------------------


def _list_s3(folder: S3Folder, columns: _Columns) -> None:
    """Walk down until there are enough prefixes to keep the listers busy, then list each whole."""
    level = [folder.prefix]
    with ThreadPoolExecutor(_LISTERS, "list") as pool:
        while level and len(level) < _LISTERS:
            below = pool.map(partial(_list_prefix, folder, columns, "/"), level)
            level = [prefix for prefixes in below for prefix in prefixes]
        for _ in pool.map(partial(_list_prefix, folder, columns, ""), level):
            pass


def _list_prefix(folder: S3Folder, columns: _Columns, delimiter: str, prefix: str) -> list[str]:
    """A prefix' photos go to `columns`; returns the prefixes below, where `delimiter` cuts."""
    prefixes: list[str] = []
    with s3_errors(folder):
        pages = s3_client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=folder.bucket, Prefix=prefix, Delimiter=delimiter):
            rows, ignored = [], 0
            for item in page.get("Contents", []):
                path = item["Key"].removeprefix(folder.prefix)
                if path.endswith("/") or not path:
                    continue  # the empty object by which consoles show a folder
                if is_photo(path):
                    rows.append(_row(path, item["ETag"].strip('"'), item["Size"]))
                else:
                    ignored += 1
            columns.add(rows, ignored)
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
    return prefixes
