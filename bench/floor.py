"""(c) The floor: the cost of the same photos without Spark.

One plain process per core, each with its own single-threaded engine, reads photos from disk, runs
the package's own preprocessing and inference, and keeps the features in memory. Batches of 64 paths
(8 for large photos) are handed out one at a time, so that no process waits for another. Process
start-up, model compilation and listing are excluded.
"""

import multiprocessing
import os
import time
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier

import numpy as np
from job import FEATURES, Figures, Job

from fruits.errors import PhotoError
from fruits.model.engine import FILES, has_bf16, load_engine
from fruits.model.load import Model, load_model
from fruits.photos.decode import prepare
from fruits.photos.listing import list_photos
from fruits.session.start import WORKERS_ENVIRONMENT
from fruits.settings import Settings
from fruits.storage.local import LocalFolder

_BATCH = 64
_BATCH_LARGE = 8  # few photos: small batches, so that all processes finish together
_STUCK_S = 600


def measure(job: Job, precision: str, *, large: bool = False) -> Figures:
    """Seconds from when all processes are ready until the last one is done."""
    if precision == "bf16" and not has_bf16():
        return {"missing": "this CPU has no bfloat16 instructions"}
    photos = job.large() if large else job.at_least(FEATURES)
    settings = job.settings(precision=precision)
    folder = LocalFolder(photos.address)
    paths = list_photos(folder).table["path"].to_pylist()
    model = load_model(settings.weights, settings.cache, FILES["openvino"])
    os.environ.update(WORKERS_ENVIRONMENT)
    batch = _BATCH_LARGE if large else _BATCH
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(job.cores + 1), context.Barrier(job.cores + 1)
    taken = context.Value("q", 0)
    workers = [
        context.Process(
            target=_work, args=(folder, paths, model, settings, taken, batch, ready, done)
        )
        for _ in range(job.cores)
    ]
    for worker in workers:
        worker.start()
    ready.wait(_STUCK_S)
    start = time.perf_counter()
    done.wait(_STUCK_S)
    seconds = time.perf_counter() - start
    for worker in workers:
        worker.join()
    return {"photos": photos.count, "seconds": seconds, "processes": job.cores}


def _work(
    folder: LocalFolder,
    paths: list[str],
    model: Model,
    settings: Settings,
    taken: "Synchronized[int]",
    batch: int,
    ready: Barrier,
    done: Barrier,
) -> None:
    engine = load_engine(settings.engine, model, settings.precision, threads=1)
    engine.features(np.zeros((4, 224, 224, 3), np.float32))
    kept = []
    ready.wait(_STUCK_S)
    while True:
        with taken.get_lock():
            start = taken.value
            taken.value += batch
        if start >= len(paths):
            break
        photos = []
        for path in paths[start : start + batch]:
            try:
                photos.append(prepare(folder.read(path), settings.max_pixels))
            except PhotoError:
                continue
        kept.append(engine.features(np.array(photos)))
    done.wait(_STUCK_S)
