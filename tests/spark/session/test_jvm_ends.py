"""Spark's Java process ends while a job runs: the reason is one line, without tracebacks."""

import subprocess
import sys

import pytest

JOB = """
import sys, threading, time
from fruits.errors import FruitsError
from fruits.results.tables import on_workers
from fruits.session import spark_errors, start_session
from fruits.settings import Settings

spark = start_session(Settings(master="local[1]"))
runtime = spark.sparkContext._jvm.java.lang.Runtime.getRuntime()
threading.Timer(2, runtime.halt, [int(sys.argv[1])]).start()
try:
    with spark_errors():
        on_workers(spark, time.sleep, [60])
except FruitsError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [(52, "a larger --driver-memory, such as 2g"), (137, "Spark's Java process has ended")],
)
def test_end_of_the_jvm_is_explained(code: int, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", JOB, str(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert words in done.stdout, done.stderr
    assert "on_workers" not in done.stderr
