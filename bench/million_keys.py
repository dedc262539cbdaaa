"""Time and memory that the driver needs for a million photos.

A fake S3 client generates the pages of a listing, 1,000 keys each under 200 prefixes, so that the
package is measured and not the network. The keys are compared with a million known ones that have
all changed, and passed to Spark as in the pipeline, which counts them.
"""

import hashlib
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from job import Figures, Job
from memory import sampled

from fruits.features import extract, update
from fruits.photos import listing
from fruits.results.tables import on_workers
from fruits.storage.s3 import S3Folder

_KEYS = 1_000_000
_PREFIXES = 200
_PAGE = 1_000


class _S3:
    """The parts of boto3's client that a listing needs."""

    def __init__(self, keys: int) -> None:
        self.keys = keys // _PREFIXES  # per prefix

    def get_paginator(self, _name: str) -> "_S3":
        return self

    def paginate(self, **request: str) -> Iterator[dict[str, Any]]:
        prefix = request["Prefix"]
        if request.get("Delimiter"):
            yield {"CommonPrefixes": [{"Prefix": f"{prefix}{i:03d}/"} for i in range(_PREFIXES)]}
            return
        for start in range(0, self.keys, _PAGE):
            numbers = range(start, min(start + _PAGE, self.keys))
            yield {"Contents": [_item(f"{prefix}IMG_{i:06d}.jpg") for i in numbers]}


def _item(key: str) -> dict[str, Any]:
    etag = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return {"Key": key, "ETag": f'"{etag}"', "Size": 20_000 + int(etag[:4], 16)}


def measure(job: Job) -> Figures:
    """Duration of each step that the driver performs on the keys, and its peak memory."""
    keys = job.scaled(_KEYS)
    seconds: dict[str, float] = {}
    with job.session() as (spark, _), sampled() as peaks:
        last = time.perf_counter()

        def took(step: str) -> None:
            nonlocal last
            seconds[step] = time.perf_counter() - last
            last = time.perf_counter()

        with patch.object(listing, "s3_client", lambda: _S3(keys)):
            photos = listing.list_photos(S3Folder("bucket", "photos/")).table
        took("list")
        former = pa.table({"path": photos["path"], "version": photos["path"]})
        last = time.perf_counter()
        todo = photos.filter(~update.among(photos, former))
        took("compare")
        parts = extract.partition(todo, spark.sparkContext.defaultParallelism)
        counted = sum(on_workers(spark, len, parts))
        took("to Spark")
    if counted != keys:
        raise AssertionError(f"expected {keys} keys, got {counted}")
    return {
        "keys": keys,
        "steps": seconds,
        "python_rss_mb": peaks.python_rss_mb,
        "jvm_rss_mb": peaks.jvm_rss_mb,
        "driver_rss_mb": peaks.driver_rss_mb,
    }
