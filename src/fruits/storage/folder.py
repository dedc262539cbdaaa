"""Folders on disk or in S3, for reading photos and writing results.

A folder is opened from its address (`photos`, `/data/photos`, `s3://bucket/prefix`,
`s3a://bucket/prefix`). Its methods take names relative to the folder, with `/` as separator.
Folders can be pickled: each Spark worker opens its own connection.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from fruits.errors import StorageError
from fruits.storage.local import LocalFolder
from fruits.storage.s3 import S3Folder
from fruits.storage.s3_client import check_bucket

if TYPE_CHECKING:
    import pyarrow as pa


class Folder(Protocol):
    """A place for files. Any method may raise StorageError."""

    @property
    def address(self) -> str:
        """The address in human-readable form: an absolute path, or `s3a://bucket/prefix`."""

    def uri(self, name: str = "") -> str:
        """The URI of a file or sub-folder for Spark (Hadoop)."""

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises PhotoError if this particular file can't be read."""

    def open(self, name: str) -> "pa.NativeFile":
        """Opens a file for random access. Raises FileNotFoundError if it doesn't exist."""

    def read_if_there(self, name: str) -> bytes | None:
        """A file's bytes, or None if it doesn't exist."""

    def read_with_state(self, name: str) -> tuple[bytes, str] | None:
        """A file's bytes and its state, for `write_over`; None if it doesn't exist."""

    def write(self, name: str, data: bytes) -> None:
        """Writes a file atomically, replacing any existing one."""

    def write_over(self, name: str, data: bytes, state: str | None) -> str | None:
        """Writes a file if the current one is in this state (None: if there is none).

        Returns the new state. If the file is in another state, leaves it unchanged and returns
        None.
        """

    def move(self, old: str, new: str) -> None:
        """Renames a sub-folder, replacing any existing file or sub-folder of that name."""

    def names(self, prefix: str) -> list[str]:
        """The names of files and folders directly in the sub-folder `prefix`, sorted."""

    def delete(self, name: str) -> None:
        """Deletes a file, or a sub-folder with its contents."""

    def forget_versions(self, of: Callable[[str], object]) -> None:
        """Deletes the old versions that a versioned bucket keeps of files whose path is `of` those
        to forget."""

    def check_there(self) -> None:
        """Raises StorageError if the folder doesn't exist."""

    def check_writable(self) -> None:
        """Creates the folder if needed; raises StorageError if it is not writable."""


def split_name(address: str) -> tuple[str, str]:
    """The address of a file -> that of its folder, and its name in it.

    In S3, the folder is the whole prefix, which may end with several `/`.
    """
    name = address.rpartition("/")[2]
    return address.removesuffix(name), name


def open_folder(address: str | os.PathLike[str]) -> Folder:
    """The folder at an address, without reading it.

    Raises:
        StorageError: the address is not that of a folder or bucket; or the bucket, which is
            checked once per process, is outside the European Union, does not exist or can't be
            reached.
    """
    folder = parse(address)
    if isinstance(folder, S3Folder):
        check_bucket(folder.bucket)
    return folder


def parse(address: str | os.PathLike[str]) -> LocalFolder | S3Folder:
    """The folder at an address, without asking S3.

    Raises:
        StorageError: the address is not that of a folder or bucket.
    """
    text = os.fspath(address)
    if text.startswith(("s3://", "s3a://", "s3n://")):
        bucket, _, prefix = text.partition("://")[2].partition("/")
        if not bucket:
            raise StorageError(f"{text} has no bucket: use s3://BUCKET/PREFIX")
        # Keys may begin with `/` and contain `//`.
        return S3Folder(bucket, prefix if prefix.endswith("/") or not prefix else f"{prefix}/")
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif "://" in text:
        raise StorageError(f"unsupported address {text}: use a folder, or s3://BUCKET/PREFIX")
    if not text:
        raise StorageError("the folder's address is empty")
    return LocalFolder(os.path.abspath(os.path.expanduser(text)))
