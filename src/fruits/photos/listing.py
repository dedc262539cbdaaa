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
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fruits.errors import StorageError
from fruits.photos.extensions import is_photo
from fruits.photos.label_table import label_by_table, read_labels
from fruits.photos.labels import RULES, label_by_folder, merged, similar
from fruits.photos.system_files import kind_of
from fruits.progress import Count
from fruits.storage import Folder
from fruits.storage.local import LocalFolder
from fruits.storage.s3 import S3Folder
from fruits.storage.s3_client import s3_client, s3_errors

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),  # relative to the folder, with `/`
        pa.field("label", pa.string()),  # null: none
        pa.field("version", pa.string(), nullable=False),  # changes when the photo's bytes do
        pa.field("size", pa.int64(), nullable=False),  # bytes
        pa.field("problem", pa.string()),  # why the photo is rejected without reading it
    ]
)
_FOUND = pa.schema(
    [*(field for field in SCHEMA if field.name != "label"), pa.field("skipped", pa.string())]
)
"""Photos without labels, and what is skipped: a file or folder of this kind of system files."""
_LISTERS = 16  # concurrent listings: each S3 request takes tens of milliseconds
_BATCH = 10_000  # keys converted from Python objects to columns at a time


@dataclass(frozen=True)
class Listing:
    """The photos of a folder."""

    table: pa.Table  # rows of SCHEMA, sorted by path
    ignored: int  # files that are not photos
    skipped: pa.Table  # path and kind of files and folders of systems, sorted by path
    notices: list[str]  # what the user should know about the labels

    @property
    def skipped_by_kind(self) -> dict[str, int]:
        """The number of skipped files and folders of each kind."""
        counts = self.skipped["kind"].value_counts().to_pylist()
        return dict(sorted((item["values"], item["counts"]) for item in counts))


class _Found:
    """Photos in columns, as one object per photo would keep the garbage collector busy."""

    def __init__(self) -> None:
        self.columns: list[list[Any]] = [[] for _ in _FOUND]

    def __len__(self) -> int:
        return len(self.columns[0])

    def add(
        self,
        path: str,
        version: str,
        size: int,
        problem: str | None = None,
        skipped: str | None = None,
    ) -> None:
        paths, versions, sizes, problems, kinds = self.columns
        paths.append(path)
        versions.append(version)
        sizes.append(size)
        problems.append(problem)
        kinds.append(skipped)

    def skip(self, path: str, kind: str) -> None:
        self.add(path, "", 0, None, kind)

    def extend(self, others: "_Found") -> None:
        for column, values in zip(self.columns, others.columns, strict=True):
            column.extend(values)


@dataclass
class _Collected:
    """What all threads have found so far, converted to Arrow columns in batches."""

    skips_system_files: bool
    count: Count
    batches: list[pa.RecordBatch] = field(default_factory=list)
    found: _Found = field(default_factory=_Found)
    ignored: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, found: _Found, ignored: int) -> None:
        with self.lock:
            self.found.extend(found)
            self.ignored += ignored
            self.count.add(found.columns[-1].count(None))  # others are skipped
            if len(self.found) >= _BATCH:
                self.pack()

    def pack(self) -> None:
        self.batches.append(pa.record_batch(self.found.columns, _FOUND))
        self.found = _Found()

    def skip(self, path: str, kind: str) -> None:
        found = _Found()
        found.skip(path, kind)
        self.add(found, 0)

    def kind_of(self, name: str) -> str | None:
        """The kind of system file or folder, if these are to be skipped."""
        return kind_of(name) if self.skips_system_files else None


def list_photos(
    folder: Folder,
    labels: str | None = None,
    *,
    system_files: str = "skip",
    count: Count | None = None,
) -> Listing:
    """The photos below a folder, at any depth.

    A photo is a file with one of `extensions.EXTENSIONS`; other files are only counted. Links to
    folders are followed, and a folder that is reached twice is listed once. Files and folders of
    systems (see `system_files.py`) are not looked into, unless `system_files` is `include`.

    `labels` is one of `labels.RULES` or the address of a table (see `label_table.py`). None means
    `folder`, with a notice where folders of the same name get the same label.

    Raises:
        StorageError: the folder does not exist or can't be listed.
        SettingsError: the table of labels is missing or damaged.
    """
    table = None if labels is None or labels in RULES else read_labels(labels, folder.address)
    collected = _Collected(system_files == "skip", count or Count())
    collected.count.begin(None, "photos")
    if isinstance(folder, S3Folder):
        _list_s3(folder, collected)
    elif isinstance(folder, LocalFolder):
        _list_local(folder, collected)
    else:
        raise TypeError(f"don't know how to list a {type(folder).__name__}")
    collected.pack()
    found = pa.Table.from_batches(collected.batches, _FOUND).sort_by("path")
    photos = found.filter(pc.is_null(found["skipped"]))
    skipped = found.filter(pc.is_valid(found["skipped"])).select(["path", "skipped"])
    skipped = skipped.rename_columns(["path", "kind"]).group_by(["path", "kind"]).aggregate([])
    label, notices = _labels(photos["path"], labels, table, folder)
    photos = photos.append_column("label", label).select(SCHEMA.names).cast(SCHEMA)
    return Listing(photos, collected.ignored, skipped.sort_by("path"), notices)


def _labels(
    paths: pa.ChunkedArray, rule: str | None, table: pa.Table | None, folder: Folder
) -> tuple[pa.ChunkedArray, list[str]]:
    """The label of each photo, and notices about them."""
    notices = []
    if table is None:
        labels, layout = label_by_folder(paths, rule or "folder")
        notices.append(merged(layout) if rule is None else None)
    else:
        labels, unused = label_by_table(paths, table)
        if unused:
            notices.append(f"{unused} rows of the table of labels {rule} are of no photo.")
        if labels.null_count:
            notices.append(f"{labels.null_count} photos have no label in {rule}.")
    notices.append(similar(labels.unique().drop_null().to_pylist()))
    return labels, [notice for notice in notices if notice]


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
    found = _Found()
    folders: list[str] = []
    links: list[str] = []
    ignored = 0
    try:
        with os.scandir(os.path.join(root, relative)) as entries:
            for entry in entries:
                name = entry.name
                path = f"{relative}/{name}" if relative else name
                is_folder = _is_folder(entry)
                if not is_folder and not is_photo(name):
                    ignored += 1
                # Of names with an extension of photos, only hidden ones are of systems.
                elif (is_folder or name[0] == ".") and (kind := collected.kind_of(name)):
                    found.skip(_shown(path), kind)
                elif is_folder:
                    (links if entry.is_symlink() else folders).append(path)
                else:
                    _add_local(found, path, entry)
    except OSError as error:
        raise _unlistable(os.path.join(root, relative), error) from None
    collected.add(found, ignored)
    return folders, links


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a circular link, or a target without permission


def _unlistable(path: str, error: OSError) -> StorageError:
    return StorageError(f"can't list the folder {path!r}: {error.strerror}")


def _add_local(found: _Found, path: str, entry: "os.DirEntry[str]") -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        problem = "the file's name is not valid UTF-8: rename it"
        return found.add(_shown(path), "", 0, problem)
    try:
        status = entry.stat()
    except OSError as error:
        return found.add(path, "", 0, f"the file can't be read ({error.strerror})")
    version = f"{status.st_size}-{status.st_mtime_ns}"
    if not stat.S_ISREG(status.st_mode):
        return found.add(path, version, 0, "not a regular file")
    return found.add(path, version, status.st_size)


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

    @lru_cache(maxsize=1)  # keys of one folder follow each other
    def skipped(folders: str) -> tuple[str, str] | None:
        """The outermost of these nested folders that is skipped, and its kind."""
        names = folders.split("/")
        for i, name in enumerate(names):
            if kind := collected.kind_of(name):
                return "/".join(names[: i + 1]), kind
        return None

    with s3_errors(folder.bucket, folder.prefix):
        pages = s3_client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=folder.bucket, Prefix=prefix, Delimiter=delimiter):
            found, ignored = _Found(), 0
            for item in page.get("Contents", []):
                path = item["Key"].removeprefix(folder.prefix)
                if path.endswith("/") or not path:
                    continue  # an empty object that consoles create for a folder
                folders, _, name = path.rpartition("/")
                if outermost := skipped(folders):
                    found.skip(*outermost)
                elif not is_photo(name):
                    ignored += 1
                elif name.startswith(".") and (kind := collected.kind_of(name)):
                    found.skip(path, kind)
                else:
                    found.add(path, item["ETag"].strip('"'), item["Size"])
            collected.add(found, ignored)
            for each in page.get("CommonPrefixes", []):
                path = each["Prefix"].removeprefix(folder.prefix)
                if outermost := skipped(path.rstrip("/")):
                    collected.skip(*outermost)
                else:
                    prefixes.append(each["Prefix"])
    return prefixes
