"""Thumbnails of photos: those in the former report, and others read from the photos."""

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from hashlib import blake2b
from typing import NamedTuple

from fruits.errors import FruitsError, PhotoError
from fruits.photos.decode import thumbnail
from fruits.photos.decode_ahead import File, decode_ahead, size
from fruits.progress import Count
from fruits.report.render import SamplePhoto
from fruits.storage import open_folder

_JPEG = b"\xff\xd8\xff"
_SIDE = 80  # pixels
_QUALITY = 70
_PICTURE = re.compile(
    rb'data-photo="([\w-]{16})" src="data:image/jpeg;base64,([\w+/=]+)"'  # a sample or suspect
    rb'|"([\w-]{16})": "([\w+/=]+)"'  # in the script's data
)
"""Names in the report can't look like this: their quotes are escaped."""


class Photo(NamedTuple):
    """A photo in the results; `version` identifies the state of its file."""

    path: str
    label: str | None
    version: str

    @property
    def key(self) -> str:
        """Names a thumbnail: 16 characters that need no escaping anywhere."""
        text = f"{_SIDE}\0{_QUALITY}\0{self.version}\0{self.path}"
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12)
        return urlsafe_b64encode(digest.digest()).decode("ascii")


def in_report(page: bytes) -> dict[str, bytes]:
    """The thumbnails in a report, by key; nothing of a file that is damaged or something else."""
    found: dict[str, bytes] = {}
    for match in _PICTURE.finditer(page):
        key, text = filter(None, match.groups())
        with suppress(ValueError):
            jpeg = b64decode(text, validate=True)
            if jpeg.startswith(_JPEG):
                found[key.decode("ascii")] = jpeg
    return found


def thumbnails(
    address: str,
    needed: Sequence[Photo],
    wanted: Sequence[Photo],
    former: Mapping[str, bytes],
    max_pixels: int,
    max_bytes: int,
    count: Count,
) -> dict[str, SamplePhoto]:
    """Thumbnails by path: the former ones, and new ones from the folder at `address`.

    All `needed` photos are read, and of the `wanted` ones the first that have `max_bytes` together.
    Photos that can't be read or decoded are left out.
    """
    keys = {photo.path: photo.key for photo in (*needed, *wanted)}
    found = {path: former[key] for path, key in keys.items() if key in former}
    missing = [path for path in keys if path not in found]
    first = len({photo.path for photo in needed} - found.keys())
    with suppress(FruitsError):  # the photos may not be accessible from here
        count.begin(len(missing), "thumbnails")
        for path, jpeg in _read(address, missing, max_pixels, first, max_bytes):
            found[path] = jpeg
            count.add()
        count.begin(len(found.keys() & set(missing)), "thumbnails")  # not more, if it ended early
    return {
        path: SamplePhoto(path, found[path], key) for path, key in keys.items() if path in found
    }


def _read(
    address: str, paths: Sequence[str], max_pixels: int, first: int, max_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """Yields the thumbnails of photos that can be decoded."""
    if not paths:
        return

    def decode(data: bytes) -> bytes:
        return thumbnail(data, _SIDE, max_pixels, _QUALITY)

    def limited(files: Iterable[File]) -> Iterator[File]:
        return _limited(files, first, max_bytes)

    with closing(decode_ahead(open_folder(address), paths, decode, limited)) as photos:
        for path, jpeg in photos:
            if not isinstance(jpeg, PhotoError):
                yield path, jpeg


def _limited(files: Iterable[File], first: int, max_bytes: int) -> Iterator[File]:
    """The `first` files, and then those that have `max_bytes` together."""
    for number, file in enumerate(files):
        yield file
        max_bytes -= size(file) if number >= first else 0
        if max_bytes <= 0:
            return
