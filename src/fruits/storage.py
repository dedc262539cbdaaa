"""Folders, on a disk or in S3: where photos are read and results are written.

A folder is opened from its address (`photos`, `/data/photos`, `s3://bucket/prefix`,
`s3a://bucket/prefix`) and then speaks in names relative to itself, with `/` between their parts.
Folders pickle: a Spark worker opens its own connection.
"""

import os
import shutil
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fruits.errors import PhotoError, StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

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
Source: «AWS Regions», https://docs.aws.amazon.com/global-infrastructure/latest/regions/."""

T = TypeVar("T")

_READ_AHEAD_BYTES = 64 * 2**20
"""Reads stop running ahead of their consumer while so much is waiting for it."""


class Folder(Protocol):
    """A place for files. Any method may raise StorageError."""

    @property
    def address(self) -> str:
        """Where it is, as a person writes it: an absolute path, or `s3a://bucket/prefix`."""

    def uri(self, name: str = "") -> str:
        """The URI by which Spark (Hadoop) knows a name in it."""

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises PhotoError where this one file can't be read."""

    def read_if_there(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is no such file."""

    def write(self, name: str, data: bytes) -> None:
        """Put a file, whole or not at all, over the one that may be there."""

    def upload(self, local: Path, name: str) -> None:
        """As `write`, from a local file, which is then gone."""

    def move(self, old: str, new: str) -> None:
        """Give a sub-folder another name, in place of what has that name."""

    def names(self, prefix: str) -> list[str]:
        """What lies directly in the sub-folder `prefix`, files and folders, sorted."""

    def delete(self, name: str) -> None:
        """Remove a file, or a sub-folder and all in it."""

    def forget_versions(self) -> None:
        """Remove what a versioned bucket still keeps of files that were replaced or deleted."""

    def check_writable(self) -> None:
        """Make it if need be, and raise StorageError now rather than after hours of work."""


def open_folder(address: str | os.PathLike[str]) -> Folder:
    """The folder at an address; nothing is read yet.

    Raises:
        StorageError: the address is not one of a folder or a bucket, or (checked once) the bucket
            is not in the European Union, does not exist, or can't be reached.
    """
    text = os.fspath(address)
    if text.startswith(("s3://", "s3a://", "s3n://")):
        bucket, _, prefix = text.partition("://")[2].partition("/")
        if not bucket:
            raise StorageError(f"{text} names no bucket: write s3://BUCKET/PREFIX")
        prefix = prefix.strip("/")
        folder = S3Folder(bucket, f"{prefix}/" if prefix else "")
        _check_bucket(bucket)
        return folder
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif "://" in text:
        raise StorageError(f"can't use {text}: give a folder, or s3://BUCKET/PREFIX")
    if not text:
        raise StorageError("the address of a folder is empty")
    return LocalFolder(os.path.abspath(Path(text).expanduser()))


@dataclass(frozen=True)
class LocalFolder:
    """A folder on a disk that this machine (and, on a cluster, every worker) sees."""

    address: str

    def uri(self, name: str = "") -> str:
        return (Path(self.address) / name).as_uri()

    def read(self, name: str) -> bytes:
        try:
            with open(os.path.join(self.address, name), "rb") as file:
                return file.read()
        except OSError as error:
            raise PhotoError(f"the file can't be read ({error.strerror})") from None

    def read_if_there(self, name: str) -> bytes | None:
        path = Path(self.address) / name
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"can't read {path}: {error.strerror}") from None

    def write(self, name: str, data: bytes) -> None:
        staged = self._beside(name)
        try:
            staged.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            staged.unlink(missing_ok=True)
            raise StorageError(f"can't write {staged.parent}: {error.strerror}") from None
        self.upload(staged, name)

    def upload(self, local: Path, name: str) -> None:
        path = Path(self.address) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.rmtree(path)
            if os.stat(local).st_dev != os.stat(path.parent).st_dev:
                local = Path(shutil.move(local, self._beside(name)))
            local.replace(path)
        except OSError as error:
            raise StorageError(f"can't write {path}: {error.strerror}") from None

    def move(self, old: str, new: str) -> None:
        self.delete(new)
        try:
            (Path(self.address) / old).rename(Path(self.address) / new)
        except OSError as error:
            raise StorageError(f"can't write {self.address}/{new}: {error.strerror}") from None

    def names(self, prefix: str) -> list[str]:
        try:
            return sorted(os.listdir(Path(self.address) / prefix))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"can't list {self.address}: {error.strerror}") from None

    def delete(self, name: str) -> None:
        path = Path(self.address) / name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"can't delete {path}: {error.strerror}") from None

    def forget_versions(self) -> None:
        pass  # a disk keeps none

    def check_writable(self) -> None:
        probe = self._beside("probe")
        try:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StorageError(
                f"can't write in {self.address} ({error.strerror}): "
                "give another results folder, or change its rights"
            ) from None

    def _beside(self, name: str) -> Path:
        path = Path(self.address) / name
        return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


@dataclass(frozen=True)
class S3Folder:
    """A prefix in a bucket; `prefix` is empty or ends in `/`."""

    bucket: str
    prefix: str

    @property
    def address(self) -> str:
        return f"s3a://{self.bucket}/{self.prefix}".rstrip("/")

    def uri(self, name: str = "") -> str:
        return f"s3a://{self.bucket}/{self.prefix}{name}".rstrip("/")

    def read(self, name: str) -> bytes:
        from botocore.exceptions import ClientError

        with s3_errors(self):
            try:
                body = s3_client().get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"]
                return body.read()
            except ClientError as error:
                if (code := error.response["Error"]["Code"]) in _ONE_OBJECT:
                    raise PhotoError(f"the object can't be read ({code})") from None
                raise

    def read_if_there(self, name: str) -> bytes | None:
        with s3_errors(self):
            client = s3_client()
            try:
                return client.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"].read()
            except client.exceptions.NoSuchKey:
                return None

    def write(self, name: str, data: bytes) -> None:
        with s3_errors(self):
            s3_client().put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)

    def upload(self, local: Path, name: str) -> None:
        with s3_errors(self):
            s3_client().upload_file(str(local), self.bucket, self.prefix + name)
        local.unlink()

    def move(self, old: str, new: str) -> None:
        self.delete(new)
        with s3_errors(self):
            for name in self.names(old):
                source = {"Bucket": self.bucket, "Key": f"{self.prefix}{old}/{name}"}
                s3_client().copy(source, self.bucket, f"{self.prefix}{new}/{name}")  # type: ignore[arg-type]
        self.delete(old)

    def names(self, prefix: str) -> list[str]:
        root = f"{self.prefix}{prefix.strip('/')}/"
        found = []
        with s3_errors(self):
            pages = s3_client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=root, Delimiter="/"):
                found += [o["Key"] for o in page.get("Contents", [])]
                found += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        return sorted(key.removeprefix(root).rstrip("/") for key in found if key != root)

    def delete(self, name: str) -> None:
        key = self.prefix + name
        with s3_errors(self):
            pages = s3_client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=key):
                keys = [item["Key"] for item in page.get("Contents", [])]
                self._delete(
                    [{"Key": k} for k in keys if k == key or k.startswith(f"{key}/")]
                )

    def forget_versions(self) -> None:
        with s3_errors(self):
            pages = s3_client().get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
                old = [v for v in page.get("Versions", []) if not v["IsLatest"]]
                gone = page.get("DeleteMarkers", [])
                self._delete(
                    [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in (*old, *gone)]
                )

    def _delete(self, objects: "list[ObjectIdentifierTypeDef]") -> None:
        if not objects:
            return
        answer = s3_client().delete_objects(
            Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True}
        )
        if failed := answer.get("Errors"):
            why = failed[0].get("Message")
            raise StorageError(f"{self.address}: can't delete {len(failed)} objects: {why}")

    def check_writable(self) -> None:
        self.write(probe := f".probe-{uuid.uuid4().hex[:8]}", b"")
        self.delete(probe)


_ONE_OBJECT = frozenset({"NoSuchKey", "AccessDenied", "InvalidObjectState", "404", "403"})
"""S3 errors that concern one object, not the service or the credentials."""

_client_lock = threading.Lock()


@lru_cache(maxsize=1)
def _new_client(pid: int) -> "S3Client":
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 8},
            max_pool_connections=64,
            connect_timeout=10,
            read_timeout=60,
        ),
    )


def s3_client() -> "S3Client":
    """This process' connection to S3, set up by the usual AWS environment and files.

    Retries as botocore's «standard» mode does: exponential backoff with jitter, up to 20 s apart.
    """
    with _client_lock:
        return _new_client(os.getpid())


@contextmanager
def s3_errors(folder: S3Folder) -> Iterator[None]:
    """Turns what boto3 raises about a folder into a StorageError that says what to do."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
    )

    denied = "access denied: check the credentials and the bucket's policy"
    no_bucket = f"there is no bucket {folder.bucket}: check its name"
    try:
        yield
    except NoCredentialsError as error:
        message = "no AWS credentials: run `aws configure`, or set AWS_PROFILE"
        raise StorageError(f"{folder.address}: {message}") from error
    except NoRegionError as error:
        message = "no AWS region: set AWS_REGION to one in the EU, such as eu-west-3"
        raise StorageError(f"{folder.address}: {message}") from error
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        message = {
            "NoSuchBucket": no_bucket,
            "404": no_bucket,
            "403": denied,
            "AccessDenied": denied,
        }.get(code, f"S3 answered {code}: {error.response['Error'].get('Message', '')}")
        raise StorageError(f"{folder.address}: {message}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageError(f"{folder.address}: S3 can't be used: {error}") from error


@lru_cache
def _check_bucket(bucket: str) -> None:
    """The bucket answers, and lies in the EU; a store that is not AWS' own is the user's choice."""
    with s3_errors(S3Folder(bucket, "")):
        client = s3_client()
        answer = client.head_bucket(Bucket=bucket)
        if not client.meta.endpoint_url.endswith((".amazonaws.com", ".amazonaws.eu")):
            return
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        region = answer.get("BucketRegion") or headers.get("x-amz-bucket-region", "unknown")
    if region not in EU_REGIONS:
        raise StorageError(
            f"bucket {bucket} is in {region}, outside the European Union: "
            f"data stays in the EU, use a bucket in one of {', '.join(sorted(EU_REGIONS))}"
        )


def read_ahead(
    read: Callable[[T], bytes],
    items: Iterable[T],
    size: Callable[[T], int],
    in_flight: int,
) -> Iterator[tuple[T, bytes | PhotoError]]:
    """Each item with its bytes, in order, while up to `in_flight` later ones are being read.

    What can't be read comes as the PhotoError that says why; any other error is raised. `size`
    (bytes) bounds how much waits in memory.
    """
    waiting: deque[tuple[T, Future[bytes], int]] = deque()
    bytes_waiting = 0
    source = iter(items)
    with ThreadPoolExecutor(in_flight, "read-ahead") as pool:
        try:
            while True:
                while len(waiting) < 2 * in_flight and (
                    not waiting or bytes_waiting < _READ_AHEAD_BYTES
                ):
                    if (item := next(source, None)) is None:
                        break
                    waiting.append((item, pool.submit(read, item), size(item)))
                    bytes_waiting += size(item)
                if not waiting:
                    return
                item, future, n_bytes = waiting.popleft()
                bytes_waiting -= n_bytes
                try:
                    yield item, future.result()
                except PhotoError as error:
                    yield item, error
        finally:
            for _, future, _ in waiting:
                future.cancel()
