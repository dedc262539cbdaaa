"""The input of each benchmark step: which photos, how many cores, where to write."""

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import large_photos

from fruits.photos.listing import list_photos
from fruits.settings import Settings
from fruits.storage.local import LocalFolder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Figures = dict[str, Any]
"""A step's measurements as stored in the JSON: seconds, MB (10**6 bytes), photos; or, under
`missing`, the reason why there are none."""

FEATURES = 10_000
"""Minimum number of photos for measuring feature extraction speed."""
_LARGE = 320
_BASE = 1_500
_BASE_QUICK = 48
_QUICK = 40  # `--quick` divides the counts of a full run by this


@dataclass(frozen=True)
class Photos:
    """A folder of photos that a step works on, and their number."""

    address: str
    count: int


@dataclass(frozen=True)
class Job:
    """One run of the benchmark; `scratch` is removed afterwards."""

    source: Path
    scratch: Path
    weights: str
    cores: int
    quick: bool

    def settings(self, **changes: Any) -> Settings:
        return Settings(weights=self.weights, master=f"local[{self.cores}]", **changes)

    def scaled(self, count: int) -> int:
        """The count for a full run, reduced for `--quick`."""
        return count // _QUICK if self.quick else count

    def base(self) -> list[str]:
        """Paths of the photos, relative to their folder: only `*.jpg`, like the notebooks, and of a
        large folder an evenly spaced subset, so that a run takes half an hour at most."""
        listed = list_photos(LocalFolder(str(self.source))).table["path"].to_pylist()
        paths = [path for path in listed if path.endswith(".jpg")]
        return paths[:: -(-len(paths) // (_BASE_QUICK if self.quick else _BASE)) or 1]

    def copies(self, times: int) -> Photos:
        """The photos repeated `times` times, in folders copy_00, copy_01, …"""
        return self._photos(f"photos_x{times}", self.base() * times)

    def at_least(self, count: int) -> Photos:
        """The photos repeated as often as needed to have at least `count`."""
        return self.copies(-(-self.scaled(count) // len(self.base())))

    def large(self) -> Photos:
        """12-megapixel photos generated from some of the photos."""
        root = self.scratch / "photos_large"
        count = min(self.scaled(_LARGE), len(self.base()))
        if not root.exists():
            large_photos.make(self.source, root, self.base(), count)
        return Photos(str(root), count)

    def few(self) -> Photos:
        """Just enough photos to warm up every worker of a session."""
        return self._photos("photos_few", self.base()[: 64 * self.cores])

    def _photos(self, name: str, paths: list[str]) -> Photos:
        root = self.scratch / name
        if not root.exists():
            seen: dict[str, int] = {}
            for path in paths:
                seen[path] = copy = seen.get(path, -1) + 1
                link(self.source / path, root / f"copy_{copy:02d}" / path)
        return Photos(str(root), len(paths))

    def results(self) -> str:
        """An unused results folder."""
        names = (self.scratch / f"results_{i}" for i in itertools.count())
        return str(next(path for path in names if not path.exists()))

    @contextmanager
    def session(self) -> "Iterator[tuple[SparkSession, float]]":
        """A SparkSession started the way the pipeline does, and the seconds that took."""
        from fruits.session import start_session

        spark, seconds = timed(lambda: start_session(self.settings()))
        try:
            yield spark, seconds
        finally:
            spark.stop()


def timed(work: Any) -> tuple[Any, float]:
    """The result of `work()`, and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def link(photo: Path, name: Path) -> None:
    """Hard-link a photo, or copy it if that fails (another disk or owner)."""
    name.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(photo.resolve(), name)
    except OSError:
        shutil.copyfile(photo, name)
