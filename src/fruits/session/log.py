"""`spark.log` in the cache, or the default one: what Spark's JVM and its Python workers print."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fruits.errors import SettingsError
from fruits.settings import Settings, cache_folder

_BYTES = 10 * 2**20


@contextmanager
def opened(cache: str) -> Iterator[IO[bytes]]:
    """The log, open for appending. A large one is started anew.

    If it can't be written in either place, this is a temporary file, which only serves to say why
    Spark can't be started.
    """
    file: IO[bytes] | None = None
    for log in _places(cache):
        with suppress(OSError):
            file = _open(log)
            break
    with file or tempfile.TemporaryFile() as file:
        yield file


def empty(cache: str) -> None:
    """Removes all that was logged, also of sessions that are running."""
    for log in _places(cache):
        with suppress(OSError):
            _former(log).unlink(missing_ok=True)
        with suppress(OSError):
            os.truncate(log, 0)


def _places(cache: str) -> Iterator[Path]:
    """Where the log may be: in the cache or, if that is not writable, in the default one."""
    for folder in dict.fromkeys((cache, Settings().cache)):
        with suppress(SettingsError):  # there is no home
            yield cache_folder(folder).absolute() / "spark.log"


def _open(log: Path) -> IO[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _BYTES:
        log.replace(_former(log))
    # Errors may name photos, so only this user can read them.
    return open(log, "ab+", opener=_private)


def _former(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
