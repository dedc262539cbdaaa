"""The connection to S3: its client, what its errors mean, and whether a bucket is in the EU."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fruits.errors import StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadBucketOutputTypeDef

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

DENIED = frozenset(
    {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
    | {"ExpiredToken", "InvalidToken"}
)
_NO_BUCKET = frozenset({"404", "NoSuchBucket"})

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


def s3_address(bucket: str, prefix: str) -> str:
    """The address of a prefix, without the `/` at its end; a second one is part of the prefix."""
    whole = f"s3a://{bucket}/{prefix}"
    return whole if f"/{prefix}".endswith("//") else whole.removesuffix("/")


@contextmanager
def s3_errors(bucket: str, prefix: str = "") -> Iterator[None]:
    """Converts errors from boto3 to a StorageError that says what to do."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    address = s3_address(bucket, prefix)
    try:
        yield
    except NoCredentialsError as error:
        message = "no AWS credentials: run `aws configure`, or set AWS_PROFILE"
        raise StorageError(f"{address}: {message}") from error
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if code in DENIED:
            message = "access denied: check the credentials and the bucket's policy"
        elif code in _NO_BUCKET:
            message = f"there is no bucket {bucket}: check its name"
        else:
            message = f"S3 answered {code}: {error.response['Error'].get('Message', '')}"
        raise StorageError(f"{address}: {message}") from error
    except (BotoCoreError, Boto3Error) as error:
        words = " ".join(str(error).split())  # some messages have several lines
        raise StorageError(f"{address}: S3 can't be used: {words}") from error


@lru_cache
def check_bucket(bucket: str) -> None:
    """Checks that a bucket is reachable and, if it is on AWS, in the European Union.

    Raises:
        StorageError: it is not.
    """
    with s3_errors(bucket):
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
