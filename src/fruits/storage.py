"""Folders, on a disk or in S3: where photos are read and results are written.

A folder is opened from its address (`photos`, `/data/photos`, `s3://bucket/prefix`,
`s3a://bucket/prefix`) and then speaks in names relative to itself, with `/` between their parts.
Folders pickle: a Spark worker opens its own connection.
"""

import contextlib
import os
import shutil
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from fruits.errors import PhotoError, StorageError
from fruits.s3 import S3Folder, check_bucket

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_READ_AHEAD_BYTES = 64 * 2**20
"""Reads stop running ahead of their consumer while so much is waiting for it."""


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


@dataclass(frozen=True)
class LocalFolder:
    """A folder on a disk that this machine (and, on a cluster, every worker) sees."""

    address: str

    def uri(self, name: str = "") -> str:
        # Not percent-encoded: Hadoop takes a path as it is written.
        return f"file://{Path(self.address) / name}"

    def read(self, name: str) -> bytes:
        try:
            with open(os.path.join(self.address, name), "rb") as file:
                return file.read()
        except OSError as error:
            raise PhotoError(f"the file can't be read ({error.strerror})") from None

    def open(self, name: str) -> "pa.NativeFile":
        import pyarrow as pa

        try:
            return pa.OSFile(os.path.join(self.address, name))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"can't read {self.address}/{name}: {error.strerror}") from None

    def read_if_there(self, name: str) -> bytes | None:
        path = Path(self.address) / name
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"can't read {path}: {error.strerror}") from None

    def write(self, name: str, data: bytes) -> None:
        staged = self._beside(name)
        try:
            staged.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if (path := Path(self.address) / name).is_dir():
                shutil.rmtree(path)
            staged.replace(path)
        except OSError as error:
            raise StorageError(f"can't write {staged.parent}: {error.strerror}") from None
        finally:
            _remove_if_there(staged)

    def read_with_state(self, name: str) -> tuple[bytes, str] | None:
        data = self.read_if_there(name)
        return None if data is None else (data, "")

    def write_over(self, name: str, data: bytes, state: str | None) -> str | None:
        self.write(name, data)  # a lock on the folder keeps others out
        return ""

    def move(self, old: str, new: str) -> None:
        self.delete(new)
        try:
            (Path(self.address) / old).rename(Path(self.address) / new)
        except OSError as error:
            raise StorageError(f"can't write {self.address}/{new}: {error.strerror}") from None

    def names(self, prefix: str) -> list[str]:
        try:
            return sorted(os.listdir(Path(self.address) / prefix))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StorageError(f"can't list {self.address}: {error.strerror}") from None

    def delete(self, name: str) -> None:
        path = Path(self.address) / name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"can't delete {path}: {error.strerror}") from None

    def forget_versions(self) -> None:
        pass  # a disk keeps none

    def check_there(self) -> None:
        if not os.path.isdir(self.address):
            raise StorageError(f"there is no folder {self.address}")

    def check_writable(self) -> None:
        probe = self._beside("probe")
        try:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StorageError(
                f"can't write in {self.address} ({error.strerror}): "
                "give another results folder, or change its rights"
            ) from None

    def _beside(self, name: str) -> Path:
        path = Path(self.address) / name
        return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def _remove_if_there(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def read_ahead(
    read: Callable[[T], bytes],
    items: Iterable[T],
    size: Callable[[T], int],
    in_flight: int,
) -> Generator[tuple[T, bytes | PhotoError], None, None]:
    """Each item with its bytes, in order, while up to `in_flight` later ones are being read.

    What can't be read comes as the PhotoError that says why; any other error is raised. `size`
    (bytes) bounds how much waits in memory.
    """
    waiting: deque[tuple[T, Future[bytes], int]] = deque()
    bytes_waiting = 0
    source = iter(items)
    with ThreadPoolExecutor(in_flight, "read-ahead") as pool:
        try:
            while True:
                while len(waiting) < 2 * in_flight and (
                    not waiting or bytes_waiting < _READ_AHEAD_BYTES
                ):
                    if (item := next(source, None)) is None:
                        break
                    waiting.append((item, pool.submit(read, item), size(item)))
                    bytes_waiting += size(item)
                if not waiting:
                    return
                item, future, n_bytes = waiting.popleft()
                bytes_waiting -= n_bytes
                try:
                    yield item, future.result()
                except PhotoError as error:
                    yield item, error
        finally:
            for _, future, _ in waiting:
                future.cancel()
