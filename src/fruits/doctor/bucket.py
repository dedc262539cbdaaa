"""Checks of S3: the bucket and its region, list, read and write, each by itself; the clock."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fruits.doctor.check import Problem
from fruits.errors import StorageError
from fruits.photos.extensions import is_photo
from fruits.photos.system_files import kind_of
from fruits.storage.folder import parse
from fruits.storage.s3 import S3Folder
from fruits.storage.s3_client import EU_REGIONS, aws_region, is_aws

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TIMEOUT_S = 12
WRITE_TIMEOUT_S = 60
"""Up to six requests: ending in between would leave the object."""
_LISTING_S = 5
_MAX_SKEW_S = 15 * 60
"""S3 refuses requests signed with a clock that differs by more."""
_ADVICE = {
    "AccessDenied": "allow {action} in the policy of the bucket or the user",
    "403": "allow {action} in the policy of the bucket or the user, and check the credentials",
    "404": "check the bucket's name",
    "NoSuchBucket": "check the bucket's name",
    "InvalidAccessKeyId": "check the credentials (aws configure)",
    "SignatureDoesNotMatch": "check the credentials (aws configure)",
    "ExpiredToken": "log in again, or renew the credentials",
    "RequestTimeTooSkewed": "correct this machine's clock",
    "PermanentRedirect": "set AWS_REGION to the bucket's region",
    "AuthorizationHeaderMalformed": "set AWS_REGION to the bucket's region",
}


@dataclass
class Place:
    """A prefix in a bucket; `dates` collects the server's time, and ours, of each response."""

    bucket: str
    prefix: str  # empty, or ends with `/`
    dates: list[tuple[datetime, datetime]] = field(default_factory=list)

    @cached_property
    def client(self) -> "S3Client":
        """A client that gives up early: a check is not worth waiting for."""
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=4,
            read_timeout=6,
        )
        return boto3.client("s3", region_name=os.environ.get("AWS_REGION"), config=config)

    @contextmanager
    def asking(self, action: str) -> Iterator[None]:
        """Converts errors to a Problem with S3's reason; `action` is the permission it needs."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except NoCredentialsError:
            raise Problem("no AWS credentials", "run `aws configure`, or set AWS_PROFILE") from None
        except ClientError as error:
            self.note(error.response)
            code = error.response["Error"].get("Code", "")
            text = error.response["Error"].get("Message", "")
            advice = _ADVICE.get(code, "").format(action=action)
            raise Problem(f"{code}: {text}", advice) from None
        except (BotoCoreError, ValueError) as error:
            words = " ".join(str(error).split())
            raise Problem(words, "check the network, AWS_ENDPOINT_URL and its proxy") from None

    def note(self, answer: Any) -> None:
        """Keeps the time in a response."""
        if date := answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date"):
            self.dates.append((parsedate_to_datetime(date), datetime.now(UTC)))


def place_at(address: str) -> Place | None:
    """The place at an address in S3; None for others, also for those that `parse` refuses."""
    try:
        folder = parse(address)
    except StorageError:
        return None
    return Place(folder.bucket, folder.prefix) if isinstance(folder, S3Folder) else None


def exists(place: Place) -> str:
    """The bucket, and the region it is in, which must be in the European Union."""
    with place.asking("s3:ListBucket"):
        answer = place.client.head_bucket(Bucket=place.bucket)
    place.note(answer)
    region = aws_region(place.client, answer)
    if region is None:
        return f"{place.bucket} at {urlsplit(place.client.meta.endpoint_url).hostname}"
    if region not in EU_REGIONS:
        raise Problem(
            f"{place.bucket} is in {region}, outside the European Union",
            f"use a bucket in one of {', '.join(sorted(EU_REGIONS))}",
        )
    return f"{place.bucket} in {region}"


def list_photos(place: Place, system_files: str) -> str:
    """Lists the prefix, as far as the first photo."""
    name = _first_photo(place, system_files)
    if name is None:
        raise Problem("no photos", "pass the prefix that contains them")
    return name


def list_results(place: Place) -> str:
    """Lists the prefix."""
    return next(_names(place), "no objects yet")


def read_photo(place: Place, system_files: str) -> str:
    """Reads a byte of the first photo."""
    return _read(place, partial(_first_photo, place, system_files))


def read_results(place: Place) -> str:
    """Reads a byte of the first object."""
    return _read(place, lambda: next(_names(place), None))


def _read(place: Place, find: Callable[[], str | None]) -> str:
    try:
        name = find()
    except Problem as problem:
        raise Problem("not tried, as listing failed", problem.advice, serious=False) from None
    if name is None:
        return "nothing to read yet"
    with place.asking("s3:GetObject"):
        key = place.prefix + name
        answer = place.client.get_object(Bucket=place.bucket, Key=key, Range="bytes=0-0")
        answer["Body"].read()
    return name


def _first_photo(place: Place, system_files: str) -> str | None:
    """The first photo of a run, in the order of keys; raises Problem if that takes too long."""
    began = time.monotonic()
    for count, name in enumerate(_names(place), 1):
        if is_photo(name) and (system_files == "include" or not any(map(kind_of, name.split("/")))):
            return name
        if time.monotonic() - began > _LISTING_S:
            found = f"no photo among the first {count} objects"
            raise Problem(found, "pass the prefix that contains them", serious=False)
    return None


def _names(place: Place) -> Iterator[str]:
    """The objects of the prefix that are not empty, by their keys without the prefix."""
    with place.asking("s3:ListBucket"):
        pages = place.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=place.bucket, Prefix=place.prefix):
            place.note(page)
            for item in page.get("Contents", []):
                if item["Size"]:
                    yield item["Key"].removeprefix(place.prefix)


def write(place: Place) -> str:
    """Writes, reads and deletes an object that runs ignore, with its version, if it has one."""
    key = f"{place.prefix}.probe-{uuid.uuid4().hex[:8]}"
    with place.asking("s3:PutObject"):
        answer = place.client.put_object(Bucket=place.bucket, Key=key, Body=b"fruits doctor")
    problem = None
    try:
        with place.asking("s3:GetObject"):
            place.client.get_object(Bucket=place.bucket, Key=key)["Body"].read()
    except Problem as error:
        problem = Problem(f"written, but not read ({error.found})", error.advice)
    try:
        with place.asking("s3:DeleteObject"):
            place.client.delete_object(Bucket=place.bucket, Key=key)
        if (written := answer.get("VersionId")) not in (None, "null"):
            _forget(place, key, str(written))
    except Problem as error:
        raise Problem(f"{key} was written, but not deleted ({error.found})", error.advice) from None
    if problem:
        raise problem
    return "an object was written, read and deleted"


def _forget(place: Place, key: str, written: str) -> None:
    """Deletes what a versioned bucket keeps of a deleted object."""
    with place.asking("s3:ListBucketVersions"):
        answer = place.client.list_object_versions(Bucket=place.bucket, Prefix=key)
    markers = [marker["VersionId"] for marker in answer.get("DeleteMarkers", [])]
    with place.asking("s3:DeleteObjectVersion"):
        for version in (written, *markers):
            place.client.delete_object(Bucket=place.bucket, Key=key, VersionId=version)


def region() -> str:
    """The region that AWS tools are set to, which must be in the European Union."""
    import boto3

    name = os.environ.get("AWS_REGION") or boto3.Session().region_name
    if name is None:
        return "not set"
    if (endpoint := _endpoint()) and not is_aws(endpoint):
        return f"{name}, in the store at {endpoint}"
    if name not in EU_REGIONS:
        raise Problem(
            f"{name} is outside the European Union",
            f"set AWS_REGION to one of {', '.join(sorted(EU_REGIONS))}",
        )
    return name


def clock(places: list[Place]) -> str:
    """This machine's clock against S3's: an address's, or an endpoint's that is set."""
    dates = [date for place in places for date in place.dates]
    if not dates and (endpoint := _endpoint()):
        dates = [_time_of(endpoint)]
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if not dates:
        return f"{now}, not compared: no answer of S3" if places else now
    server, ours = dates[-1]
    skew = (ours - server).total_seconds()
    found = f"{now}, {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} S3"
    if abs(skew) > _MAX_SKEW_S:
        raise Problem(found, "correct this machine's clock: S3 accepts 15 minutes")
    if abs(skew) > _MAX_SKEW_S / 3:
        raise Problem(found, "correct this machine's clock", serious=False)
    return found


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _time_of(endpoint: str) -> tuple[datetime, datetime]:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(endpoint, timeout=8) as answer:
            date = answer.headers["Date"]
    except urllib.error.HTTPError as error:  # any answer has a date
        date = error.headers["Date"]
    except (OSError, ValueError) as error:
        raise Problem(
            f"{endpoint} can't be reached ({getattr(error, 'reason', error)})",
            "check AWS_ENDPOINT_URL and the network",
        ) from None
    return parsedate_to_datetime(date), datetime.now(UTC)
