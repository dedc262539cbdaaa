"""Start-up: wall-clock time of whole commands on few photos.

Each runs four times, and the median of the last three counts: weights and files are cached by then.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from job import Figures, Job, link, timed

_PHOTOS = 84  # as in `make demo`


def measure(job: Job) -> Figures:
    paths = job.base()[:_PHOTOS]
    photos = job.scratch / "photos_start"
    for path in paths:
        link(job.source / path, photos / path)
    weights = ("--weights", job.weights)
    run = _median(lambda: ["run", photos, job.results(), *weights])
    results = job.results()
    again = _median(lambda: ["run", photos, results, *weights])
    _command("train", results)
    predict = _median(lambda: ["predict", results, photos / paths[0]])
    return {"photos": len(paths), "run_s": run, "again_s": again, "predict_s": predict}


def _median(arguments: Callable[[], list[str | Path]]) -> float:
    return statistics.median([_command(*arguments()) for _ in range(4)][1:])


def _command(*arguments: str | Path) -> float:
    command = [Path(sys.executable).with_name("fruits"), *arguments]
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))[1]
