"""Peak memory during feature extraction, and whether it grows with the number of photos.

A thread samples the process's descendants every 0.2 s: for each Python worker (a child of
`fruits.features.daemon`), RSS, which includes shared pages, and USS, which doesn't; and RSS of the
driver's Python and of the JVM, which is both driver and executor.
"""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import psutil
from job import Figures, Job
from pipeline_way import featurized

_EVERY_S = 0.2
_MB = 10**6


@dataclass
class Peaks:
    """The highest values seen, in MB (10**6 bytes)."""

    worker_rss_mb: float = 0  # of any single worker
    worker_uss_mb: float = 0
    workers: int = 0
    python_rss_mb: float = 0
    jvm_rss_mb: float = 0
    driver_rss_mb: float = 0  # Python and JVM together

    def raise_to(self, seen: "Peaks") -> None:
        for name, value in asdict(seen).items():
            setattr(self, name, max(getattr(self, name), value))


def measure(job: Job, photos: int) -> Figures:
    """Peaks during one run of `fruits featurize` in its own session.

    With few photos, a task gets less than a full batch of 64, which takes less memory.
    """
    folder = job.at_least(photos)
    with job.session() as (spark, _), sampled() as peaks:
        figures = featurized(spark, job, folder)
    return figures | asdict(peaks)


@contextmanager
def sampled() -> Iterator[Peaks]:
    """Peaks of this process and its descendants while the block runs."""
    peaks, stop = Peaks(), threading.Event()

    def sample() -> None:
        while not stop.wait(_EVERY_S):
            peaks.raise_to(_now())

    sampler = threading.Thread(target=sample, name="memory", daemon=True)
    sampler.start()
    try:
        yield peaks
    finally:
        stop.set()
        sampler.join()


def _now() -> Peaks:
    me = psutil.Process()
    seen = Peaks(python_rss_mb=me.memory_info().rss / _MB)
    daemons = set()
    for process in me.children(recursive=True):  # parents come before their children
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if process.ppid() in daemons:
                memory = process.memory_full_info()
                worker = Peaks(memory.rss / _MB, memory.uss / _MB)
                seen.raise_to(worker)
                seen.workers += 1
            elif process.name() == "java":
                seen.jvm_rss_mb = process.memory_info().rss / _MB
            elif "fruits.features.daemon" in process.cmdline():
                daemons.add(process.pid)
    seen.driver_rss_mb = seen.python_rss_mb + seen.jvm_rss_mb
    return seen
