"""Cost of a run that finds 100 new photos in addition to many known ones.

The known rows are synthetic (random features, 450 rows per file, like those a first run of small
photos writes); the 100 new photos are real. Measures `fruits featurize` (list, compare, featurize,
store, commit) in a warm session, without Spark start-up, PCA and CSV.
"""

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
from job import Figures, Job, link, timed
from memory import sampled
from pipeline_way import featurized

from fruits import pipeline
from fruits.model.engine import FILES
from fruits.model.load import FEATURES, load_model
from fruits.photos.listing import list_photos
from fruits.progress import Silent
from fruits.results import open_results, tables
from fruits.results.manifest import MADE_WITH, Manifest
from fruits.results.tables import REJECTS
from fruits.storage.local import LocalFolder

_NEW = 100
_A_FOLDER = 1_000
_A_FILE = 450


def measure(job: Job, known: int) -> Figures:
    """Duration of the run and of its steps, number of existing files rewritten, and peak memory."""
    known = job.scaled(known)
    root = job.scratch / f"known_{known}"
    _make_photos(root, known)
    results = job.results()
    settings = job.settings(decode="fast")
    with job.session() as (spark, _):
        featurized(spark, job, job.few())
        _make_results(job, root, results)
        for path in job.base()[:_NEW]:
            link(job.source / path, root / "new" / path)
        before = set(open_results(results).current().features)
        progress = Silent()
        with sampled() as peaks:
            manifest, seconds = timed(
                lambda: pipeline.featurize(spark, str(root), results, settings, progress)
            )
    if manifest.counts["featurized"] + manifest.counts["rejects"] != min(_NEW, len(job.base())):
        raise AssertionError(f"expected {_NEW} photos: {manifest.counts}")
    return {
        "photos": known,
        "seconds": seconds,
        "steps": dict(progress.seconds),
        "rewritten": len(before - set(manifest.features)),
        "driver_rss_mb": peaks.driver_rss_mb,
        "worker_rss_mb": peaks.worker_rss_mb,
    }


def _make_photos(root: Path, count: int) -> None:
    """Create files that are listed but never read."""
    for i in range(count):
        folder = root / f"label_{i // _A_FOLDER:03d}"
        if i % _A_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"{i:06d}.jpg").write_bytes(b"known")


def _make_results(job: Job, root: Path, results: str) -> None:
    """Write results for these files, as a first run would have."""
    store = open_results(results)
    keys = list_photos(LocalFolder(str(root))).table.select(["path", "label", "version"])
    numbers = np.random.default_rng(7).random((_A_FILE, FEATURES), np.float32)
    offsets = np.arange(0, numbers.size + 1, FEATURES, dtype=np.int32)
    features = pa.ListArray.from_arrays(offsets, numbers.ravel())
    files = [tables.new_file("features") for _ in range(0, len(keys), _A_FILE)]
    for file, start in zip(files, itertools.count(0, _A_FILE), strict=False):
        rows = keys.slice(start, _A_FILE)
        tables.write(store.folder, file, rows.append_column("features", features[: len(rows)]))
    rejects = tables.new_file("rejects")
    tables.write(store.folder, rejects, REJECTS.empty_table())
    settings = job.settings(decode="fast")
    store.commit(
        Manifest(
            photos=str(root),
            features=files,
            rejects=[rejects],
            counts={"listed": len(keys), "features": len(keys), "rejects": 0},
            model=load_model(settings.weights, settings.cache, FILES[settings.engine]).metadata,
            **{name: getattr(settings, name) for name in MADE_WITH},
        )
    )
