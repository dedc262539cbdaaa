"""Features of photos in S3, with and without an extra latency of 40 ms per GET.

Moto's S3 server, in a separate process on this machine, sleeps before it responds to a GET of an
object. It is written in Python and shares the cores with the workers, so both cases are slower than
a disk; only their ratio matters. Results go to disk. The two cases take turns for two rounds.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from job import Figures, Job, Photos, timed
from pipeline_way import featurized

from fruits.storage.s3 import S3Folder
from fruits.storage.s3_client import s3_client

_DELAY_S = 0.04
_ROUNDS = 2
_BUCKET = "bench"
_PREFIX = "photos"


def measure(job: Job) -> Figures:
    """Seconds with and without the delay, summed over the rounds."""
    local = job.copies(1)
    with _endpoint() as (url, delay_s):
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "eu-west-3",
            "AWS_DEFAULT_REGION": "eu-west-3",
        }
        keys = _upload(Path(local.address))
        photos = Photos(f"s3a://{_BUCKET}/{_PREFIX}", local.count)
        figures: dict[str, Figures] = {}
        with job.session() as (spark, _):
            featurized(spark, job, photos)
            for _ in range(1 if job.quick else _ROUNDS):
                for name, delay in (("at_once", 0.0), ("delayed", _DELAY_S)):
                    delay_s.value = delay
                    empty = {"photos": 0, "seconds": 0, "featurize_s": 0, "get_s": _get_s(keys)}
                    sums = figures.setdefault(name, empty)
                    run = featurized(spark, job, photos)
                    sums["photos"] += run["photos"]
                    sums["seconds"] += run["seconds"]
                    sums["featurize_s"] += run["steps"]["featurize"]
    return {"delay_s": _DELAY_S, **figures}


def _get_s(keys: list[str]) -> float:
    """The median time of sequential GETs."""
    folder = S3Folder(_BUCKET, "")
    return statistics.median(timed(partial(folder.read, key))[1] for key in keys[:20])


def _upload(root: Path) -> list[str]:
    client = s3_client()
    client.create_bucket(
        Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"}
    )

    def put(path: Path) -> str:
        key = f"{_PREFIX}/{path.relative_to(root).as_posix()}"
        client.put_object(Bucket=_BUCKET, Key=key, Body=path.read_bytes())
        return key

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(put, root.rglob("*.jpg")))


@contextmanager
def _endpoint() -> "Iterator[tuple[str, Synchronized[float]]]":
    """The URL of a new S3 server, and the adjustable delay of its GETs in seconds."""
    context = multiprocessing.get_context("spawn")
    delay_s = context.Value("d", 0.0)
    receiver, sender = context.Pipe()
    server = context.Process(target=_serve, args=(sender, delay_s), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}", delay_s
    finally:
        server.terminate()
        server.join()


def _serve(port: Connection, delay_s: "Synchronized[float]") -> None:
    import logging

    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    s3 = DomainDispatcherApplication(create_backend_app)

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        _, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        if environ["REQUEST_METHOD"] == "GET" and key:
            time.sleep(delay_s.value)
        return s3(environ, start_response)

    # Port 0: let the system pick a free one.
    server = make_server("127.0.0.1", 0, slow, threaded=True, request_handler=MotoRequestHandler)
    port.send(server.server_port)
    server.serve_forever()
