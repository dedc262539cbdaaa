"""Uploads photos to S3, so that a cluster can read them; skips those already there."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fruits import signals
from fruits.errors import PhotoError, PhotosError, StorageError
from fruits.photos.listing import list_photos
from fruits.progress import Progress
from fruits.storage import open_folder
from fruits.storage.s3 import S3Folder

_SIDE_BY_SIDE = 16


@dataclass(frozen=True)
class Uploaded:
    """The number of photos sent, of those already there with the same size, and of those that can't
    be read, which `run` would list as rejects."""

    sent: int
    already_there: int
    unreadable: int = 0
    reason: str | None = None  # the path of the first unreadable photo, and why


def upload(
    source: str,
    target: str,
    progress: Progress | None = None,
    *,
    system_files: str = "skip",
) -> Uploaded:
    """Copies the photos of a folder to an S3 prefix, under the same names.

    Raises:
        FruitsError: there are no photos that can be read, the target is not in S3, or S3 returns an
            error.
    """
    progress = progress or Progress()
    folder, bucket = open_folder(source), open_folder(target)
    if not isinstance(bucket, S3Folder):
        raise StorageError(f"can't upload to {target}: use s3://BUCKET/PREFIX")
    folder.check_there()
    photos = list_photos(folder, system_files=system_files).table
    if not photos.num_rows:
        raise PhotosError(f"there are no photos in {folder.address}")
    bad = photos.filter(pc.is_valid(photos["problem"]))
    unreadable = list(zip(bad["path"].to_pylist(), bad["problem"].to_pylist(), strict=True))
    uploaded = _sizes(list_photos(bucket, system_files=system_files).table)
    wanted = _sizes(photos.filter(pc.is_null(photos["problem"])))
    todo = [name for name, size in wanted.items() if uploaded.get(name) != size]
    signals.note("the next upload continues after the photos that were sent")

    def send(name: str) -> None:
        try:
            data = folder.read(name)
        except PhotoError as error:
            unreadable.append((name, str(error)))
        else:
            bucket.write(name, data)

    with (
        progress.step("upload", len(todo)) as count,
        ThreadPoolExecutor(_SIDE_BY_SIDE, "upload") as pool,
    ):
        for _ in pool.map(send, todo):
            count.add()
    reason = ": ".join(min(unreadable)) if unreadable else None
    if len(unreadable) == photos.num_rows:
        raise PhotosError(f"no photo in {folder.address} can be read; the first, {reason}")
    already_there = len(wanted) - len(todo)
    sent = photos.num_rows - already_there - len(unreadable)
    return Uploaded(sent, already_there, len(unreadable), reason)


def _sizes(photos: pa.Table) -> dict[str, int]:
    return dict(zip(photos["path"].to_pylist(), photos["size"].to_pylist(), strict=True))
