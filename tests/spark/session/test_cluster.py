"""Sessions on a cluster, here of one worker in the same JVM."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import fruits
from fruits.session import workers

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TWICE = """
from fruits.errors import FruitsError
from fruits.session import start_session
from fruits.settings import Settings
from pyspark import SparkContext
settings = Settings(master="local-cluster[1,1,600]", driver_memory="600m")
try:
    start_session(settings)
except FruitsError as error:
    print(error)
print(SparkContext._active_spark_context)
"""


def test_a_cluster_whose_workers_fail_is_left() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(fruits.__file__).parents[1]),
            "PYSPARK_PYTHON": "/no/such/python",
            "PYSPARK_SUBMIT_ARGS": "--conf spark.executor.memory=500m pyspark-shell",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    error, context = done.stdout.splitlines()
    assert "Python workers can't be started with /no/such/python" in error
    assert context == "None"


def test_waiting_for_a_busy_cluster_is_said(
    spark: "SparkSession", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "_BUSY_S", 1)
    context = spark.sparkContext
    workers.check_workers(context)
    assert capsys.readouterr().err == ""

    def occupy() -> None:
        cores = context.defaultParallelism
        context.parallelize(range(cores), cores).foreach(lambda _: time.sleep(4))

    busy = threading.Thread(target=occupy)
    busy.start()
    time.sleep(1)
    workers.check_workers(context)
    busy.join()
    assert capsys.readouterr().err == "waiting for a free core of the cluster …\n"
