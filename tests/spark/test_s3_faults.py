"""S3 that stops working midway ends a command with one line, and leaves the results unchanged.

One fault in a worker and one in the driver end a whole command; the others run in the session of
all tests, whose workers then use the proxy.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command import fruits, in_session, refused
from contents import snapshot
from copies import copy_results
from faulty_s3 import FaultyS3, Matches, faulty_s3
from places import SAMPLES

from fruits.storage.s3_client import forget_connections, s3_client

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def server(s3_endpoint: str) -> Iterator[FaultyS3]:
    with faulty_s3(s3_endpoint) as server:
        yield server


@pytest.fixture
def proxy(server: FaultyS3) -> Iterator[FaultyS3]:
    yield server
    server.plan("gone", lambda method, path: False)


@pytest.fixture
def command(
    spark: "SparkSession",
    proxy: FaultyS3,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Runs the command in the session, with S3 behind the proxy."""

    def run(*args: str) -> "subprocess.CompletedProcess[str]":
        forget_connections()
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", proxy.url)
            patch.setitem(spark.sparkContext.environment, "AWS_ENDPOINT_URL", proxy.url)
            done = in_session(capsys, *args)
        forget_connections()
        return done

    return run


@pytest.fixture
def photos(s3: str) -> str:
    """An S3 prefix with six photos."""
    for path in sorted(SAMPLES.glob("Kiwi/*.jpg")):
        s3_client().put_object(Bucket=s3, Key=f"in/Kiwi/{path.name}", Body=path.read_bytes())
    return f"s3://{s3}/in"


def is_photo(method: str, path: str) -> bool:
    return method == "GET" and path.startswith("/fruit/in/")


def is_table(method: str, path: str) -> bool:
    return method == "PUT" and "/out/features/" in path


def is_manifest(method: str, path: str) -> bool:
    return method == "PUT" and path.endswith("/out/manifest.json")


def one_line(stderr: str) -> str:
    """The only line that is neither progress nor about the weights."""
    lines = [line for line in stderr.splitlines() if not re.match(r"\w[\w ]*(…|:.*)$", line)]
    lines += [line for line in stderr.splitlines() if line.startswith("fruits:")]
    assert len(lines) == 1, stderr
    return lines[0]


CLOSED = "S3 can't be used: Connection was closed"


def assert_stopped_reading(done: "subprocess.CompletedProcess[str]", words: str) -> None:
    refused(done)
    line = one_line(done.stderr)
    assert line.startswith("fruits: s3a://fruit/in: ")
    assert words in line


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("gone", CLOSED),
        ("expired", "access denied: check the credentials"),
        ("denied", "access denied: check the credentials"),
        ("no bucket", "there is no bucket fruit: check its name"),
    ],
)
def test_fault_while_workers_read_photos(
    proxy: FaultyS3,
    photos: str,
    small: Path,
    tmp_path: Path,
    command: Command,
    fault: str,
    words: str,
) -> None:
    copy_results(small, tmp_path)
    before = snapshot(tmp_path / "results")
    proxy.plan(fault, is_photo, let_through=3)
    done = command("run", photos, str(tmp_path / "results"), "--reads-in-flight", "2")
    assert proxy.began.is_set()
    assert_stopped_reading(done, words)
    after = snapshot(tmp_path / "results")
    assert {name: after[name] for name in before} == before


def test_fault_in_a_worker_ends_the_process(proxy: FaultyS3, photos: str, tmp_path: Path) -> None:
    proxy.plan("gone", is_photo, let_through=3)
    results = str(tmp_path / "results")
    words = ("--master", "local[1]", "--reads-in-flight", "2")
    done = fruits("featurize", photos, results, *words, AWS_ENDPOINT_URL=proxy.url)
    assert proxy.began.is_set()
    assert_stopped_reading(done, CLOSED)


def assert_nothing_committed(done: "subprocess.CompletedProcess[str]", bucket: str) -> None:
    refused(done)
    assert one_line(done.stderr).startswith("fruits: s3a://fruit/out: ")
    keys = [o["Key"] for o in s3_client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert "out/manifest.json" not in keys


@pytest.mark.parametrize(
    ("matches", "fault"), [(is_table, "expired"), (is_manifest, "gone"), (is_manifest, "no bucket")]
)
def test_fault_while_results_are_written(
    proxy: FaultyS3, s3: str, photos: str, command: Command, matches: Matches, fault: str
) -> None:
    proxy.plan(fault, matches)
    done = command("featurize", photos, f"s3://{s3}/out")
    assert proxy.began.is_set()
    assert_nothing_committed(done, s3)


def is_csv(method: str, path: str) -> bool:
    return method == "PUT" and "results.csv" in path


def test_fault_while_the_csv_is_written_leaves_the_former_results(
    proxy: FaultyS3, s3: str, photos: str, command: Command
) -> None:
    out = f"s3://{s3}/out"

    def stored() -> dict[str, str]:
        objects = s3_client().list_objects_v2(Bucket=s3, Prefix="out/")["Contents"]
        return {item["Key"]: item["ETag"] for item in objects}

    assert command("run", photos, out, "--components", "2").returncode == 0
    before = stored()
    proxy.plan("gone", is_csv)
    done = command("run", photos, out, "--components", "3")
    assert proxy.began.is_set()
    refused(done)
    assert one_line(done.stderr).startswith("fruits: s3a://fruit/out: ")
    after = stored()
    assert {key: after[key] for key in before} == before
