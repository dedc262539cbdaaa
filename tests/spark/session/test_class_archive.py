"""The archive of Spark's Java classes, and the daemon that forks workers."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fruits.errors import FruitsError
from fruits.features.daemon import prefer_installed
from fruits.session import class_archive

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SESSION = """
import sys
from pathlib import Path
from fruits.session import class_archive
class_archive.path = lambda: Path(sys.argv[1])
from fruits.session import start_session
from fruits.settings import Settings
print(start_session(Settings(master="local[1]"), wake=False).range(3).count(), "rows")
"""
# Without a session there are fewer classes to archive. The installed archive, which `make` would
# have removed, isn't used.
RECORDED_JVM = """
from types import SimpleNamespace
from pyspark.java_gateway import launch_gateway
context = SimpleNamespace(_gateway=launch_gateway())
spark = SimpleNamespace(sparkContext=context, stop=context._gateway.close)
"""


def session(archive: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    options = (os.environ["SPARK_SUBMIT_OPTS"], *options)
    return subprocess.run(
        [sys.executable, "-c", SESSION, archive],
        env={**os.environ, "SPARK_SUBMIT_OPTS": " ".join(options)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.skipif(not class_archive.path().exists(), reason="make .venv/spark.jsa makes it")
def test_sessions_use_the_archive() -> None:
    done = session(class_archive.path(), "-Xshare:on")  # fails without it

    assert "3 rows" in done.stdout, done.stdout


def test_the_archive_is_complete_when_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_archive, "path", lambda: tmp_path / "spark.jsa")
    monkeypatch.setattr(class_archive, "_SESSION", RECORDED_JVM)

    class_archive.make()

    assert (tmp_path / "spark.jsa").stat().st_size > 2**20


def test_invalid_archive_is_silently_ignored(tmp_path: Path) -> None:
    (tmp_path / "spark.jsa").write_bytes(os.urandom(2**20))

    refused = session(tmp_path / "spark.jsa", "-Xshare:on")
    done = session(tmp_path / "spark.jsa")

    assert "3 rows" not in refused.stdout
    assert "3 rows" in done.stdout
    assert "archive" not in done.stdout


def test_failed_session_leaves_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_archive, "path", lambda: tmp_path / "spark.jsa")
    monkeypatch.setattr(class_archive, "_SESSION", "raise ValueError('no such class')")

    with pytest.raises(FruitsError, match="no such class"):
        class_archive.make()

    assert not any(tmp_path.iterdir())


def test_workers_import_the_installed_pyspark(spark: "SparkSession") -> None:
    def imported(_: int) -> tuple[str, bool]:
        import pyspark

        return pyspark.__file__, "fruits.features.extract" in sys.modules

    ((location, preloaded),) = spark.sparkContext.parallelize([0], 1).map(imported).collect()

    assert ".zip" not in location
    assert preloaded


@pytest.mark.parametrize("installed", [True, False])
def test_installed_pyspark_precedes_its_archives(installed: bool) -> None:
    lib = "/venv/lib/pyspark/python/lib"
    others = ["/home", "/stdlib.zip", *(["/venv/lib"] if installed else [])]
    path = [others[0], f"{lib}/pyspark.zip", f"{lib}/py4j-1-src.zip", *others[1:]]
    before = list(path)

    prefer_installed(path)

    assert path == ([*others, *before[1:3]] if installed else before)
