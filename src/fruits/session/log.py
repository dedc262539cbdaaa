"""`spark.log` in the cache: what Spark's Java process and its Python workers print."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fruits.errors import SettingsError
from fruits.settings import cache_folder

_BYTES = 10 * 2**20


def log_file(cache: str) -> Path:
    """The path of the log.

    Raises:
        SettingsError: as `cache_folder`.
    """
    return cache_folder(cache).absolute() / "spark.log"


@contextmanager
def opened(cache: str) -> Iterator[IO[bytes]]:
    """The log, open for appending, or a temporary file. A large one is started anew."""
    try:
        log = log_file(cache)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _BYTES:
            log.replace(_former(log))
        # Errors may name photos, so only this user can read them.
        file: IO[bytes] = open(log, "ab+", opener=_private)  # noqa: SIM115
    except (OSError, SettingsError):
        file = tempfile.TemporaryFile()  # noqa: SIM115
    with file:
        yield file


def empty(cache: str) -> None:
    """Removes all that was logged, also of sessions that are running."""
    with suppress(OSError, SettingsError):
        log = log_file(cache)
        _former(log).unlink(missing_ok=True)
        os.truncate(log, 0)


def _former(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
