"""Folders in S3: prefixes of a bucket, accessed with boto3."""

import io
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from fruits.errors import PhotoError, StorageError
from fruits.storage.s3_client import DENIED, check_bucket, s3_address, s3_client, s3_errors

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


@dataclass(frozen=True)
class S3Folder:
    """A prefix in a bucket; `prefix` is empty or ends with `/`."""

    bucket: str
    prefix: str

    @property
    def address(self) -> str:
        return s3_address(self.bucket, self.prefix)

    def uri(self, name: str = "") -> str:
        return f"s3a://{self.bucket}/{self.prefix}{name}".rstrip("/")

    def read(self, name: str) -> bytes:
        from botocore.exceptions import ClientError

        with s3_errors(self.bucket, self.prefix):
            try:
                return self._get(name)[0]
            except ClientError as error:
                if (code := error.response["Error"]["Code"]) in _ONE_OBJECT:
                    if code in DENIED:  # perhaps everything is, since a token has expired
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
        with s3_errors(self.bucket, self.prefix):
            client = s3_client()
            try:
                answer = client.get_object(Bucket=self.bucket, Key=self.prefix + name)
                return answer["Body"].read(), answer["ETag"]
            except client.exceptions.NoSuchKey:
                return None

    def write(self, name: str, data: bytes) -> None:
        with s3_errors(self.bucket, self.prefix):
            s3_client().put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)

    def write_over(self, name: str, data: bytes, state: str | None) -> str | None:
        from botocore.exceptions import ClientError

        put = partial(s3_client().put_object, Bucket=self.bucket, Key=self.prefix + name, Body=data)
        with s3_errors(self.bucket, self.prefix):
            try:
                answer = put(IfNoneMatch="*") if state is None else put(IfMatch=state)
            except ClientError as error:
                if error.response["Error"]["Code"] in _OTHER_STATE:
                    return None
                raise
            return answer["ETag"]

    def move(self, old: str, new: str) -> None:
        self.delete(new)
        with s3_errors(self.bucket, self.prefix):
            for keys in self._keys(old):
                for key in keys:
                    target = f"{self.prefix}{new}{key.removeprefix(self.prefix + old)}"
                    s3_client().copy({"Bucket": self.bucket, "Key": key}, self.bucket, target)
        self.delete(old)

    def names(self, prefix: str) -> list[str]:
        root = self.prefix + (f"{prefix.strip('/')}/" if prefix else "")
        keys = []
        with s3_errors(self.bucket, self.prefix):
            pages = s3_client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=root, Delimiter="/"):
                keys += [o["Key"] for o in page.get("Contents", [])]
                keys += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        return sorted(key.removeprefix(root).rstrip("/") for key in keys if key != root)

    def delete(self, name: str) -> None:
        with s3_errors(self.bucket, self.prefix):
            for keys in self._keys(name):
                self._delete([{"Key": key} for key in keys])

    def forget_versions(self, of: Callable[[str], object]) -> None:
        old: list[ObjectIdentifierTypeDef] = []
        markers: list[ObjectIdentifierTypeDef] = []
        with s3_errors(self.bucket, self.prefix):
            pages = s3_client().get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
                for v in page.get("Versions", []):
                    if not v["IsLatest"] and of(v["Key"].removeprefix(self.prefix)):
                        old.append({"Key": v["Key"], "VersionId": v["VersionId"]})
                for marker in page.get("DeleteMarkers", []):
                    if of(marker["Key"].removeprefix(self.prefix)):
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
        with s3_errors(folder.bucket, folder.prefix):
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
            with s3_errors(self._folder.bucket, self._folder.prefix):
                data, _ = self._folder._get(self._name, f"bytes={self._at}-{end - 1}")
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


_TAIL = 64 * 2**10
_ONE_OBJECT = frozenset({"NoSuchKey", "AccessDenied", "InvalidObjectState", "404", "403"})
"""S3 errors that concern a single object, not the service or the credentials."""

_OTHER_STATE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412"})
_MOST_DELETED = 1000
"""Maximum number of objects that S3 deletes per request."""
