"""Reads and decodes photos side by side."""

import os
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing

from fruits.errors import PhotoError
from fruits.storage import Folder
from fruits.storage.read_ahead import read_ahead

_READERS = 16
_DECODERS = min(4, len(os.sched_getaffinity(0)))  # each may hold a photo at its full size

File = tuple[str, bytes | PhotoError]
"""The path and the bytes of a photo, or why it can't be read."""


def decode_ahead(
    folder: Folder,
    paths: Sequence[str],
    decode: Callable[[bytes], bytes],
    limited: Callable[[Iterable[File]], Iterable[File]] = iter,
) -> Generator[File, None, None]:
    """Yields each photo with what `decode` makes of its bytes, or why it can't be read, in order.

    `limited` may end the reading early, by the bytes of the files.
    """

    def decoded(file: File) -> bytes:
        if isinstance(file[1], PhotoError):
            raise file[1]
        return decode(file[1])

    with (
        # Decoders change the filters of warnings, which belong to all threads.
        warnings.catch_warnings(action="ignore"),
        closing(read_ahead(folder.read, paths, lambda _: None, _READERS)) as files,
        closing(read_ahead(decoded, limited(files), size, _DECODERS)) as photos,
    ):
        for (path, _), data in photos:
            yield path, data


def size(file: File) -> int:
    return len(file[1]) if isinstance(file[1], bytes) else 0
