"""What each step of the benchmark is told: which photos, on how many cores, where to write."""

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
"""What a step measured, as it goes into the JSON: seconds, MB (of 10**6 bytes), photos, or
`missing`: why there is nothing."""

FEATURES = 10_000
"""Photos at least, where the speed of making features is measured."""
_LARGE = 320
_BASE = 1_500
_BASE_QUICK = 48
_QUICK = 40  # how many times less `--quick` takes where a full run takes a number of its own


@dataclass(frozen=True)
class Photos:
    """A folder of photos that a step works on, and how many they are."""

    address: str
    count: int


@dataclass(frozen=True)
class Job:
    """One run of the benchmark; `scratch` is gone after it."""

    source: Path
    scratch: Path
    weights: str
    cores: int
    quick: bool

    def settings(self, **changes: Any) -> Settings:
        return Settings(weights=self.weights, master=f"local[{self.cores}]", **changes)

    def scaled(self, count: int) -> int:
        """A number of things for a full run, or the part of it that `--quick` takes."""
        return count // _QUICK if self.quick else count

    def base(self) -> list[str]:
        """The photos, relative to their folder: `*.jpg`, as the notebooks read nothing else, and
        of a large folder only so many, evenly spread, that a run stays within half an hour."""
        found = list_photos(LocalFolder(str(self.source))).table["path"].to_pylist()
        paths = [path for path in found if path.endswith(".jpg")]
        return paths[:: -(-len(paths) // (_BASE_QUICK if self.quick else _BASE)) or 1]

    def copies(self, times: int) -> Photos:
        """The photos so many times, in folders copy_00, copy_01 …"""
        return self._photos(f"photos_x{times}", self.base() * times)

    def at_least(self, count: int) -> Photos:
        """The photos as many times as it takes to have `count`, and not fewer than once."""
        return self.copies(-(-self.scaled(count) // len(self.base())))

    def large(self) -> Photos:
        """Photos of 12 megapixels, made of some of these."""
        root = self.scratch / "photos_large"
        count = min(self.scaled(_LARGE), len(self.base()))
        if not root.exists():
            large_photos.make(self.source, root, self.base(), count)
        return Photos(str(root), count)

    def few(self) -> Photos:
        """Just enough for each worker to get some: what warms up a session."""
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
        """A results folder that nothing was written to yet."""
        names = (self.scratch / f"results_{i}" for i in itertools.count())
        return str(next(path for path in names if not path.exists()))

    @contextmanager
    def session(self) -> "Iterator[tuple[SparkSession, float]]":
        """A SparkSession as the pipeline starts it, and how many seconds that took."""
        from fruits.session import start_session

        spark, seconds = timed(lambda: start_session(self.settings()))
        try:
            yield spark, seconds
        finally:
            spark.stop()


def timed(work: Any) -> tuple[Any, float]:
    """What `work()` returns, and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def link(photo: Path, name: Path) -> None:
    """A hard link; a copy where that can't be had (another disk, another owner)."""
    name.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(photo.resolve(), name)
    except OSError:
        shutil.copyfile(photo, name)
