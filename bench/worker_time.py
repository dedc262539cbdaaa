"""Where a worker's time goes: the work of a Spark task in one process, without Spark.

Timers wrap the package's own functions as the task calls them. `read` is the time the task waits
for bytes (read ahead by threads, which share the core); `rest` is the remainder: conversion to and
from Arrow, stacking, and the timers.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from job import Figures, Job
from PIL import Image

from fruits.features import extract
from fruits.model.engine import FILES, OpenVINO
from fruits.model.load import load_model
from fruits.photos import decode
from fruits.photos.listing import list_photos
from fruits.storage import read_ahead
from fruits.storage.local import LocalFolder

_PHOTOS = 500


def measure(job: Job) -> Figures:
    """Seconds of each part, for the photos of one task, after warm-up."""
    os.environ["OMP_NUM_THREADS"] = "1"
    settings = job.settings()
    folder = LocalFolder(str(job.source))
    table = list_photos(folder).table
    step = max(1, table.num_rows // max(1, job.scaled(_PHOTOS)))
    keys = table.take(list(range(0, table.num_rows, step)))
    model = load_model(settings.weights, settings.cache, FILES[settings.engine])
    work = extract._Task(
        extract.Extraction(folder, model, settings),
        SimpleNamespace(value=model.files),  # type: ignore[arg-type]  # in place of a broadcast
        SimpleNamespace(of_this_task=lambda: lambda *_: None),  # type: ignore[arg-type]
        lambda batches: sum(map(len, batches)),
    )
    work(keys.slice(0, 8))  # compiles the model
    spent: dict[str, float] = defaultdict(float)
    with ExitStack() as clocks:
        for owner, name, part in (
            (extract, "prepare_views", "prepare"),
            (decode, "_picture", "decode"),
            (Image.Image, "resize", "resize"),
            (OpenVINO, "features", "infer"),
        ):
            clock = _clocked(getattr(owner, name), spent, part)
            clocks.enter_context(patch.object(owner, name, clock))
        reads = _clocked_items(read_ahead.read_ahead, spent, "read")
        clocks.enter_context(patch.object(extract, "read_ahead", reads))
        start = time.perf_counter()
        rows = work(keys)
        whole = time.perf_counter() - start
    return {
        "photos": rows,
        "seconds": whole,
        "steps": {
            "read": spent["read"],
            "decode": spent["decode"],
            "resize": spent["resize"],
            "scale": spent["prepare"] - spent["decode"] - spent["resize"],
            "infer": spent["infer"],
            "rest": whole - spent["read"] - spent["prepare"] - spent["infer"],
        },
    }


def _clocked(function: Callable[..., Any], spent: dict[str, float], part: str) -> Any:
    def clocked(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent[part] += time.perf_counter() - start

    return clocked


def _clocked_items(
    function: Callable[..., Iterator[Any]], spent: dict[str, float], part: str
) -> Any:
    """Like `_clocked`, for a generator: the time spent waiting for its items."""

    def clocked(*args: Any, **kwargs: Any) -> Iterator[Any]:
        items = function(*args, **kwargs)
        following = _clocked(lambda: next(items, None), spent, part)
        while (item := following()) is not None:
            yield item

    return clocked
