"""S3 that stops working midway ends a command with one line, and leaves the results unchanged."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command import fruits, refused
from contents import snapshot
from copies import copy_results
from faulty_s3 import FaultyS3, Matches, faulty_s3
from places import SAMPLES

from fruits.storage.s3 import s3_client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def proxy(s3_endpoint: str) -> "Iterator[FaultyS3]":
    with faulty_s3(s3_endpoint) as server:
        yield server


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


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("gone", "S3 can't be used: Connection was closed"),
        ("expired", "access denied: check the credentials"),
        ("denied", "access denied: check the credentials"),
        ("no bucket", "there is no bucket fruit: check its name"),
    ],
)
def test_fault_while_workers_read_photos(
    proxy: FaultyS3, photos: str, small: Path, tmp_path: Path, fault: str, words: str
) -> None:
    copy_results(small, tmp_path)
    before = snapshot(tmp_path / "results")
    proxy.plan(fault, is_photo, let_through=3)
    done = fruits(
        "run", photos, str(tmp_path / "results"), "--master", "local[1]",
        "--reads-in-flight", "2", AWS_ENDPOINT_URL=proxy.url,
    )  # fmt: skip
    assert proxy.began.is_set()
    refused(done)
    line = one_line(done.stderr)
    assert line.startswith("fruits: s3a://fruit/in: ")
    assert words in line
    after = snapshot(tmp_path / "results")
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    ("matches", "fault"), [(is_table, "expired"), (is_manifest, "gone"), (is_manifest, "no bucket")]
)
def test_fault_while_results_are_written(
    proxy: FaultyS3, s3: str, photos: str, matches: Matches, fault: str
) -> None:
    proxy.plan(fault, matches)
    done = fruits("featurize", photos, f"s3://{s3}/out", AWS_ENDPOINT_URL=proxy.url)
    assert proxy.began.is_set()
    refused(done)
    assert one_line(done.stderr).startswith("fruits: s3a://fruit/out: ")
    keys = [o["Key"] for o in s3_client().list_objects_v2(Bucket=s3)["Contents"]]
    assert "out/manifest.json" not in keys


def is_csv(method: str, path: str) -> bool:
    return method == "PUT" and "results.csv" in path


def test_fault_while_the_csv_is_written_leaves_the_former_results(
    proxy: FaultyS3, s3: str, photos: str
) -> None:
    out = f"s3://{s3}/out"

    def stored() -> dict[str, str]:
        objects = s3_client().list_objects_v2(Bucket=s3, Prefix="out/")["Contents"]
        return {item["Key"]: item["ETag"] for item in objects}

    assert fruits("run", photos, out, "--components", "2").returncode == 0
    before = stored()
    proxy.plan("gone", is_csv)
    done = fruits("run", photos, out, "--components", "3", AWS_ENDPOINT_URL=proxy.url)
    assert proxy.began.is_set()
    refused(done)
    assert one_line(done.stderr).startswith("fruits: s3a://fruit/out: ")
    after = stored()
    assert {key: after[key] for key in before} == before
