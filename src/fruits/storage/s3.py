"""Folders in S3: prefixes of a bucket, accessed with boto3."""

import io
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fruits.errors import PhotoError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadBucketOutputTypeDef, ObjectIdentifierTypeDef

EU_REGIONS = frozenset(
    {
        "eu-central-1",  # Frankfurt
        "eu-north-1",  # Stockholm
        "eu-south-1",  # Milan
        "eu-south-2",  # Spain
        "eu-west-1",  # Ireland
        "eu-west-3",  # Paris
        "eusc-de-east-1",  # the European Sovereign Cloud, Brandenburg
    }
)
"""AWS regions inside the European Union; London (eu-west-2) and Zurich (eu-central-2) are not.
Source: "AWS Regions", https://docs.aws.amazon.com/global-infrastructure/latest/regions/."""


@dataclass(frozen=True)
class S3Folder:
    """A prefix in a bucket; `prefix` is empty or ends with `/`."""

    bucket: str
    prefix: str

    @property
    def address(self) -> str:
        whole = f"s3a://{self.bucket}/{self.prefix}"
        # A second `/` at the end is part of the prefix.
        return whole if f"/{self.prefix}".endswith("//") else whole.removesuffix("/")

    def uri(self, name: str = "") -> str:
        return f"s3a://{self.bucket}/{self.prefix}{name}".rstrip("/")

    def read(self, name: str) -> bytes:
        from botocore.exceptions import ClientError

        with s3_errors(self):
            try:
                return self._get(name)[0]
            except ClientError as error:
                if (code := error.response["Error"]["Code"]) in _ONE_OBJECT:
                    if code in _DENIED:  # perhaps everything is, since a token has expired
                        s3_client().head_bucket(Bucket=self.bucket)
                    raise PhotoError(f"the object can't be read ({code})") from None
                raise

    def open(self, name: str) -> "pa.NativeFile":
        import pyarrow as pa

        return pa.PythonFile(_Ranged(self, name), "r")

    def _get(self, name: str, part: str = "") -> tuple[bytes, int]:
        """An object's bytes, or those in the HTTP range `part`, and its total size.

        Retries while the body is being read, as boto3 only retries until the response starts.
        """
        from botocore.exceptions import (
            IncompleteReadError,
            ReadTimeoutError,
            ResponseStreamingError,
        )

        for tries_left in (2, 1, 0):
            try:
                key = self.prefix + name
                if part:
                    answer = s3_client().get_object(Bucket=self.bucket, Key=key, Range=part)
                else:
                    answer = s3_client().get_object(Bucket=self.bucket, Key=key)
                _, _, size = answer.get("ContentRange", "").partition("/")
                return answer["Body"].read(), int(size or answer["ContentLength"])
            except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    def read_if_there(self, name: str) -> bytes | None:
        data_and_state = self.read_with_state(name)
        return data_and_state and data_and_state[0]

    def read_with_state(self, name: str) -> tuple[bytes, str] | None:
        with s3_errors(self):
            client = s3_client()
            try:
                answer = client.get_object(Bucket=self.bucket, Key=self.prefix + name)
                return answer["Body"].read(), answer["ETag"]
            except client.exceptions.NoSuchKey:
                return None

    def write(self, name: str, data: bytes) -> None:
        with s3_errors(self):
            s3_client().put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)

    def write_over(self, name: str, data: bytes, state: str | None) -> str | None:
        from botocore.exceptions import ClientError

        put = partial(s3_client().put_object, Bucket=self.bucket, Key=self.prefix + name, Body=data)
        with s3_errors(self):
            try:
                answer = put(IfNoneMatch="*") if state is None else put(IfMatch=state)
            except ClientError as error:
                if error.response["Error"]["Code"] in _OTHER_STATE:
                    return None
                raise
            return answer["ETag"]

    def move(self, old: str, new: str) -> None:
        self.delete(new)
        with s3_errors(self):
            for keys in self._keys(old):
                for key in keys:
                    target = f"{self.prefix}{new}{key.removeprefix(self.prefix + old)}"
                    s3_client().copy({"Bucket": self.bucket, "Key": key}, self.bucket, target)
        self.delete(old)

    def names(self, prefix: str) -> list[str]:
        root = self.prefix + (f"{prefix.strip('/')}/" if prefix else "")
        keys = []
        with s3_errors(self):
            pages = s3_client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=root, Delimiter="/"):
                keys += [o["Key"] for o in page.get("Contents", [])]
                keys += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        return sorted(key.removeprefix(root).rstrip("/") for key in keys if key != root)

    def delete(self, name: str) -> None:
        with s3_errors(self):
            for keys in self._keys(name):
                self._delete([{"Key": key} for key in keys])

    def forget_versions(self) -> None:
        old: list[ObjectIdentifierTypeDef] = []
        markers: list[ObjectIdentifierTypeDef] = []
        with s3_errors(self):
            pages = s3_client().get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
                for v in page.get("Versions", []):
                    if not v["IsLatest"]:
                        old.append({"Key": v["Key"], "VersionId": v["VersionId"]})
                for marker in page.get("DeleteMarkers", []):
                    markers.append({"Key": marker["Key"], "VersionId": marker["VersionId"]})
            # Markers last: without its marker, a deleted file would reappear.
            objects = old + markers
            for start in range(0, len(objects), _MOST_DELETED):
                self._delete(objects[start : start + _MOST_DELETED])

    def _keys(self, name: str) -> Iterator[list[str]]:
        """The key of a file, or the keys of all files in a sub-folder, page by page."""
        root = self.prefix + name
        pages = s3_client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=root):
            keys = [item["Key"] for item in page.get("Contents", [])]
            yield [key for key in keys if key == root or key.startswith(f"{root}/")]

    def _delete(self, objects: "list[ObjectIdentifierTypeDef]") -> None:
        if not objects:
            return
        answer = s3_client().delete_objects(
            Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True}
        )
        if failed := answer.get("Errors"):
            why = failed[0].get("Message")
            raise StorageError(f"{self.address}: can't delete {len(failed)} objects: {why}")

    def check_there(self) -> None:
        check_bucket(self.bucket)  # a prefix exists as soon as it has an object

    def check_writable(self) -> None:
        self.write(probe := f".probe-{uuid.uuid4().hex[:8]}", b"")
        self.delete(probe)


class _Ranged(io.RawIOBase):
    """A file object that fetches ranges of an S3 object on demand.

    The end of the object is fetched first, as Parquet files are read from their end.

    Raises:
        FileNotFoundError: the object does not exist.
    """

    def __init__(self, folder: S3Folder, name: str) -> None:
        from botocore.exceptions import ClientError

        self._folder, self._name, self._at = folder, name, 0
        with s3_errors(folder):
            try:
                self._tail, self._size = folder._get(name, f"bytes=-{_TAIL}")
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                    raise FileNotFoundError(name) from None
                raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._at + len(view), self._size)
        if end <= self._at:
            return 0
        if (behind := self._at - (self._size - len(self._tail))) >= 0:
            data = self._tail[behind : behind + end - self._at]
        else:
            with s3_errors(self._folder):
                data, _ = self._folder._get(self._name, f"bytes={self._at}-{end - 1}")
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


_TAIL = 64 * 2**10
_ONE_OBJECT = frozenset({"NoSuchKey", "AccessDenied", "InvalidObjectState", "404", "403"})
"""S3 errors that concern a single object, not the service or the credentials."""

_OTHER_STATE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412"})
_DENIED = frozenset(
    {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
    | {"ExpiredToken", "InvalidToken"}
)
_NO_BUCKET = frozenset({"404", "NoSuchBucket"})
_MOST_DELETED = 1000
"""Maximum number of objects that S3 deletes per request."""

_client_lock = threading.Lock()


@lru_cache(maxsize=1)
def _new_client(pid: int) -> "S3Client":
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 8},
        max_pool_connections=64,
        connect_timeout=5,
        read_timeout=20,
    )
    try:
        # Unlike other AWS SDKs, boto3 ignores AWS_REGION.
        return boto3.client("s3", region_name=os.environ.get("AWS_REGION"), config=config)
    except ValueError as error:  # AWS_ENDPOINT_URL is not a valid URL
        raise StorageError(f"S3 can't be used: {error}") from None


def s3_client() -> "S3Client":
    """The S3 client of this process, configured by the usual AWS variables and files.

    Requests are retried in botocore's "standard" mode: exponential backoff with jitter, up to 20 s.
    So they fail after half a minute if the server answers with errors, after three to four minutes
    if it doesn't answer.
    """
    with _client_lock:
        return _new_client(os.getpid())


@contextmanager
def s3_errors(folder: S3Folder) -> Iterator[None]:
    """Converts errors from boto3 to a StorageError that says what to do."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except NoCredentialsError as error:
        message = "no AWS credentials: run `aws configure`, or set AWS_PROFILE"
        raise StorageError(f"{folder.address}: {message}") from error
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if code in _DENIED:
            message = "access denied: check the credentials and the bucket's policy"
        elif code in _NO_BUCKET:
            message = f"there is no bucket {folder.bucket}: check its name"
        else:
            message = f"S3 answered {code}: {error.response['Error'].get('Message', '')}"
        raise StorageError(f"{folder.address}: {message}") from error
    except (BotoCoreError, Boto3Error) as error:
        words = " ".join(str(error).split())  # some messages have several lines
        raise StorageError(f"{folder.address}: S3 can't be used: {words}") from error


@lru_cache
def check_bucket(bucket: str) -> None:
    """Checks that a bucket is reachable and, if it is on AWS, in the European Union.

    Raises:
        StorageError: it is not.
    """
    with s3_errors(S3Folder(bucket, "")):
        client = s3_client()
        answer = client.head_bucket(Bucket=bucket)
        region = aws_region(client, answer)
    if region is not None and region not in EU_REGIONS:
        raise StorageError(
            f"bucket {bucket} is in {region}, outside the European Union: "
            f"data stays in the EU, use a bucket in one of {', '.join(sorted(EU_REGIONS))}"
        )


def aws_region(client: "S3Client", answer: "HeadBucketOutputTypeDef") -> str | None:
    """The region of a bucket of AWS, from the answer to HeadBucket; None if another store has it.

    An endpoint of another name, such as a proxy's, may lead to AWS too, which gives its name.
    """
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    if not is_aws(client.meta.endpoint_url) and headers.get("server") != "AmazonS3":
        return None
    return answer.get("BucketRegion") or headers.get("x-amz-bucket-region", "unknown")


def is_aws(url: str) -> bool:
    """Whether an endpoint belongs to AWS, not to another store with S3's protocol."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"))


def other_endpoint() -> str | None:
    """The endpoint of requests, if it is not AWS's own for the region; from variables or files."""
    named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    url = s3_client().meta.endpoint_url
    return url if named or not is_aws(url) else None


def forget_connections() -> None:
    """Drops cached connections, after credentials or endpoints have changed."""
    _new_client.cache_clear()
    check_bucket.cache_clear()
