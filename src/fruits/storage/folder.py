"""Folders, on a disk or in S3: where photos are read and results are written.

A folder is opened from its address (`photos`, `/data/photos`, `s3://bucket/prefix`,
`s3a://bucket/prefix`) and then speaks in names relative to itself, with `/` between their parts.
Folders pickle: a Spark worker opens its own connection.
"""

import os
from typing import TYPE_CHECKING, Protocol

from fruits.errors import StorageError
from fruits.storage.local import LocalFolder
from fruits.storage.s3 import S3Folder, check_bucket

if TYPE_CHECKING:
    import pyarrow as pa


class Folder(Protocol):
    """A place for files. Any method may raise StorageError."""

    @property
    def address(self) -> str:
        """Where it is, as a person writes it: an absolute path, or `s3a://bucket/prefix`."""

    def uri(self, name: str = "") -> str:
        """The URI by which Spark (Hadoop) knows a name in it."""

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises PhotoError where this one file can't be read."""

    def open(self, name: str) -> "pa.NativeFile":
        """A file to read parts of. Raises FileNotFoundError where there is none."""

    def read_if_there(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is no such file."""

    def read_with_state(self, name: str) -> tuple[bytes, str] | None:
        """A file's bytes and its state, for `write_over`; None where there is no such file."""

    def write(self, name: str, data: bytes) -> None:
        """Put a file, whole or not at all, over the one that may be there."""

    def write_over(self, name: str, data: bytes, state: str | None) -> str | None:
        """Put a file in the place of the one in this state (None: of none); returns its state, or
        None where the file is in another state by now, and stays so."""

    def move(self, old: str, new: str) -> None:
        """Give a sub-folder another name, in place of what has that name."""

    def names(self, prefix: str) -> list[str]:
        """What lies directly in the sub-folder `prefix`, files and folders, sorted."""

    def delete(self, name: str) -> None:
        """Remove a file, or a sub-folder and all in it."""

    def forget_versions(self) -> None:
        """Remove what a versioned bucket still keeps of files that were replaced or deleted."""

    def check_there(self) -> None:
        """Raise StorageError where there is no such folder."""

    def check_writable(self) -> None:
        """Make it if need be, and raise StorageError now rather than after hours of work."""


def open_folder(address: str | os.PathLike[str]) -> Folder:
    """The folder at an address; nothing is read yet.

    Raises:
        StorageError: the address is not one of a folder or a bucket, or (checked once) the bucket
            is not in the European Union, does not exist, or can't be reached.
    """
    text = os.fspath(address)
    if text.startswith(("s3://", "s3a://", "s3n://")):
        bucket, _, prefix = text.partition("://")[2].partition("/")
        if not bucket:
            raise StorageError(f"{text} names no bucket: write s3://BUCKET/PREFIX")
        prefix = prefix.strip("/")
        folder = S3Folder(bucket, f"{prefix}/" if prefix else "")
        check_bucket(bucket)
        return folder
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif "://" in text:
        raise StorageError(f"can't use {text}: give a folder, or s3://BUCKET/PREFIX")
    if not text:
        raise StorageError("the address of a folder is empty")
    return LocalFolder(os.path.abspath(os.path.expanduser(text)))
