"""Folders on disk."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fruits.errors import PhotoError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LocalFolder:
    """A folder on a disk that is visible to this machine and, on a cluster, to all workers."""

    address: str

    def uri(self, name: str = "") -> str:
        # Not percent-encoded, as Hadoop does not decode paths.
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
        self.write(name, data)  # safe, as the caller has locked the folder
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

    def forget_versions(self, of: Callable[[str], object]) -> None:
        pass  # disks have no versions

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
                "use another results folder, or change its permissions"
            ) from None

    def _beside(self, name: str) -> Path:
        path = Path(self.address) / name
        return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def _remove_if_there(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
