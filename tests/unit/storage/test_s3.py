"""S3 errors are one line that says what to do; data stays in the European Union."""

import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal

import boto3
import pytest
from moto import mock_aws

from fruits.errors import PhotoError, StorageError
from fruits.photos.listing import list_photos
from fruits.storage import open_folder
from fruits.storage.s3 import S3Folder
from fruits.storage.s3_client import EU_REGIONS, forget_connections, other_endpoint, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import BucketLocationConstraintType

USES: dict[str, Callable[[S3Folder], object]] = {
    "open": lambda folder: open_folder(folder.address),
    "list": list_photos,
    "read": lambda folder: folder.read("a.jpg"),
    "read_if_there": lambda folder: folder.read_if_there("a.jpg"),
    "write": lambda folder: folder.write("a.jpg", b""),
    "names": lambda folder: folder.names(""),
    "move": lambda folder: folder.move("a", "b"),
    "delete": lambda folder: folder.delete("a.jpg"),
    "forget_versions": lambda folder: folder.forget_versions(bool),
    "check_writable": lambda folder: folder.check_writable(),
}


def refusals(folder: S3Folder) -> dict[str, str]:
    """The error message of each operation on an unusable folder."""
    messages = {}
    for use, function in USES.items():
        try:
            messages[use] = f"allowed: {function(folder)}"
        except StorageError as error:
            messages[use] = str(error)
    return messages


# Errors --------------------------------------------------------------------------------------


def test_missing_object_is_a_photo_error(s3: str) -> None:
    with pytest.raises(PhotoError, match=r"^the object can't be read \(NoSuchKey\)$"):
        S3Folder(s3, "photos/").read("a.jpg")


@pytest.mark.usefixtures("s3")
def test_a_missing_bucket_is_named() -> None:
    advice = "there is no bucket nowhere: check its name"
    expected = dict.fromkeys(USES, f"s3a://nowhere/photos: {advice}")
    expected["open"] = f"s3a://nowhere: {advice}"
    assert refusals(S3Folder("nowhere", "photos/")) == expected


@pytest.fixture
def wrong_credentials(s3: str, s3_endpoint: str) -> Iterator[S3Folder]:
    """A folder in a store that rejects all credentials."""

    def known_requests(count: str) -> None:
        url, plain = f"{s3_endpoint}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, count.encode(), plain)).close()

    known_requests("0")
    yield S3Folder(s3, "photos/")
    known_requests("inf")


def test_wrong_credentials_are_reported(wrong_credentials: S3Folder) -> None:
    advice = "access denied: check the credentials and the bucket's policy"
    messages = refusals(wrong_credentials).values()
    assert {message.partition(": ")[2] for message in messages} == {advice}


@pytest.fixture
def without_credentials(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Folder:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it caches credentials
    forget_connections()
    return S3Folder(s3, "photos/")


def test_missing_credentials_are_reported(without_credentials: S3Folder) -> None:
    advice = "no AWS credentials: run `aws configure`, or set AWS_PROFILE"
    messages = refusals(without_credentials).values()
    assert {message.partition(": ")[2] for message in messages} == {advice}


@pytest.fixture
def waits_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that botocore would have slept before each retry."""
    waits: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waits.append))
    return waits


def test_unreachable_endpoint_is_retried_and_named(
    s3: str, monkeypatch: pytest.MonkeyPatch, waits_s: list[float]
) -> None:
    with socket.socket() as closed:  # bound but not listening
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        forget_connections()
        with pytest.raises(StorageError):
            open_folder(f"s3://{s3}")
        assert len(waits_s) == 7
        assert max(waits_s) <= 20
        messages = refusals(S3Folder(s3, "photos/"))
    down = f"S3 can't be used: Could not connect to the endpoint URL: \"{endpoint}/"
    assert [use for use, message in messages.items() if down not in message] == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("AWS_ENDPOINT_URL", "minio", "Invalid endpoint: minio"),
        ("AWS_PROFILE", "nobodys", r"profile \(nobodys\) could not be found"),
    ],
)
def test_invalid_environment_is_reported(
    s3: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    forget_connections()
    with pytest.raises(StorageError, match=f"S3 can't be used: .*{reason}"):
        open_folder(f"s3://{s3}")


@pytest.mark.usefixtures("s3")
def test_invalid_bucket_name_is_reported_in_one_line() -> None:
    with pytest.raises(StorageError, match=r"Invalid bucket name \"No Bucket!\"") as caught:
        open_folder("s3://No Bucket!/photos")
    assert "\n" not in str(caught.value)


# Pages and versions --------------------------------------------------------------------------


@pytest.fixture
def small_pages(s3: str) -> S3Folder:
    """A folder in a bucket that lists two keys per page."""

    def two(params: dict[str, object], **_: object) -> None:
        params["MaxKeys"] = 2

    for call in ("ListObjectsV2", "ListObjectVersions"):
        s3_client().meta.events.register(f"before-parameter-build.s3.{call}", two)
    return S3Folder(s3, "results/")


def test_names_move_and_delete_process_all_pages(small_pages: S3Folder) -> None:
    for i in range(9):
        small_pages.write(f"old/{i}", b"")
    assert small_pages.names("old") == list("012345678")
    small_pages.move("old", "new")
    assert small_pages.names("") == ["new"]
    assert small_pages.names("new") == list("012345678")
    small_pages.delete("new")
    assert small_pages.names("") == []


def versions(bucket: str) -> list[str]:
    """The keys of all versions and delete markers, one per version or marker."""
    return [v.object_key for v in boto3.resource("s3").Bucket(bucket).object_versions.all()]


def test_forget_versions_keeps_the_latest_version_of_objects(small_pages: S3Folder) -> None:
    bucket = small_pages.bucket
    s3_client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for data in (b"1", b"2", b"3"):
        for name in ("manifest.json", "deleted/1", "deleted/2", "twice deleted"):
            small_pages.write(name, data)
        S3Folder(bucket, "photos/").write("a.jpg", data)
        small_pages.delete("twice deleted")
    small_pages.delete("deleted")
    small_pages.forget_versions(bool)
    outside = ["photos/a.jpg"] * 3
    assert sorted(versions(bucket)) == [*outside, "results/manifest.json"]
    assert small_pages.read("manifest.json") == b"3"


def test_forget_versions_does_nothing_without_versioning(s3: str) -> None:
    folder = S3Folder(s3, "")
    folder.write("a", b"1")
    folder.forget_versions(bool)
    assert folder.read("a") == b"1"


def test_failed_deletion_is_reported(s3: str) -> None:
    folder = S3Folder(s3, "results/")
    folder.write("a", b"1")
    errors = [{"Key": "results/a", "Code": "AccessDenied", "Message": "Access Denied"}]
    events = s3_client().meta.events
    events.register("after-call.s3.DeleteObjects", lambda parsed, **_: parsed.update(Errors=errors))
    with pytest.raises(StorageError, match="can't delete 1 objects: Access Denied"):
        folder.delete("a")


# Regions -------------------------------------------------------------------------------------


def make_bucket(name: str, region: "BucketLocationConstraintType | Literal['us-east-1']") -> None:
    client = boto3.client("s3", region_name=region)
    if region == "us-east-1":
        client.create_bucket(Bucket=name)
    else:
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS, mocked by moto in this process, for a user in Paris."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    forget_connections()
    with mock_aws():
        yield
    forget_connections()


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-2", "eu-central-2", "ap-south-1"])
def test_a_bucket_outside_the_european_union_is_refused(
    region: "BucketLocationConstraintType | Literal['us-east-1']",
) -> None:
    make_bucket("fruit-abroad", region)
    with pytest.raises(StorageError, match=f"fruit-abroad is in {region}, outside the European"):
        open_folder("s3://fruit-abroad/photos")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("region", ["eu-west-3", "eu-central-1", "eu-north-1"])
def test_a_bucket_in_the_european_union_is_accepted(region: "BucketLocationConstraintType") -> None:
    make_bucket("fruit-at-home", region)
    folder = open_folder("s3://fruit-at-home/photos")
    folder.write("a", b"1")
    assert folder.read("a") == b"1"


@pytest.mark.usefixtures("s3")
def test_other_stores_may_be_in_any_region() -> None:
    make_bucket("fruit-anywhere", "us-east-1")
    try:
        open_folder("s3://fruit-anywhere").check_writable()
    finally:
        boto3.client("s3").delete_bucket(Bucket="fruit-anywhere")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    "endpoint",
    [
        "https://s3.us-east-1.amazonaws.com",
        "https://s3.us-east-1.amazonaws.com.",
        "https://S3.EU-WEST-3.AmazonAWS.com",
        "https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com",
    ],
)
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-3"])
def test_no_endpoint_of_aws_turns_off_the_check(
    endpoint: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for name in ("FRUITS_REGION", "FRUITS_EU_REGIONS"):
        monkeypatch.setenv(name, "us-east-1")
    forget_connections()

    def answer(**_: object) -> tuple[SimpleNamespace, dict[str, object]]:
        response = SimpleNamespace(status_code=200)
        headers = {"x-amz-bucket-region": "us-east-1"}
        return response, {"ResponseMetadata": {"HTTPHeaders": headers}}

    s3_client().meta.events.register("before-call.s3.HeadBucket", answer)  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="fruit-abroad is in us-east-1, outside the European"):
        open_folder("s3://fruit-abroad/photos")


@pytest.mark.usefixtures("aws")
def test_aws_behind_a_proxy_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget_connections()

    def answer(**_: object) -> tuple[SimpleNamespace, dict[str, object]]:
        headers = {"x-amz-bucket-region": "us-east-1", "server": "AmazonS3"}
        metadata = {"HTTPHeaders": headers}
        return SimpleNamespace(status_code=200), {"ResponseMetadata": metadata}

    s3_client().meta.events.register("before-call.s3.HeadBucket", answer)  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="outside the European"):
        open_folder("s3://fruit-abroad/photos")


@pytest.mark.usefixtures("aws")
def test_the_endpoint_is_the_same_for_spark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Otherwise Spark would use AWS where the check has asked another store."""
    config = tmp_path / "config"
    config.write_text("[default]\nendpoint_url = http://store.example.org:9000\n")
    assert other_endpoint() is None
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    boto3.DEFAULT_SESSION = None
    forget_connections()
    assert other_endpoint() == "http://store.example.org:9000"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://vpce.s3.eu-west-3.vpce.amazonaws.com")
    forget_connections()
    assert other_endpoint() == "https://vpce.s3.eu-west-3.vpce.amazonaws.com"
    monkeypatch.undo()
    boto3.DEFAULT_SESSION = None
    forget_connections()


def test_european_regions_exist_in_aws() -> None:
    session = boto3.Session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("s3", partition)
    }
    assert known >= EU_REGIONS


@pytest.mark.parametrize("region", ["eu-west-3", "eu-north-1"])
@pytest.mark.usefixtures("s3")
def test_aws_region_sets_the_region(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    forget_connections()
    assert s3_client().meta.region_name == region
