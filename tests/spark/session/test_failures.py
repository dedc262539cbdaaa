"""Failures of Spark, and interrupts, as a notebook sees them."""

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, NoReturn

import pytest

from fruits.errors import FruitsError, StorageError
from fruits.results.tables import on_workers
from fruits.session import spark_errors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def refuse(_: int) -> NoReturn:
    raise StorageError("s3a://b/x: S3 can't be used")


def die(_: int) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def bug(_: int) -> NoReturn:
    raise ZeroDivisionError("a bug")


def raised(spark: "SparkSession", work: object) -> FruitsError:
    with pytest.raises(FruitsError) as caught, spark_errors():
        on_workers(spark, work, [1, 2])  # type: ignore[arg-type]
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return caught.value


def test_user_error_in_a_worker_is_raised_alone(
    spark: "SparkSession", capfd: pytest.CaptureFixture[str]
) -> None:
    error = raised(spark, refuse)
    assert (type(error), str(error)) == (StorageError, "s3a://b/x: S3 can't be used")
    assert capfd.readouterr().err == ""


def test_killed_worker_is_explained(
    spark: "SparkSession", capfd: pytest.CaptureFixture[str]
) -> None:
    assert "a Python worker was killed, probably for lack of memory" in str(raised(spark, die))
    assert capfd.readouterr().err == ""


def test_java_failures_are_explained(spark: "SparkSession") -> None:
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    with (
        pytest.raises(FruitsError, match=r"out of memory .*larger --driver-memory"),
        spark_errors(),
    ):
        jvm.java.nio.ByteBuffer.allocate(2**31 - 1)
    address = "s3a://fruit/x"
    with pytest.raises(StorageError, match=f"S3 can't be used: .*{address}"), spark_errors():
        spark.read.parquet(f"{address}/there-is-no-such-bucket").count()


def test_bug_in_a_worker_stays_a_traceback(spark: "SparkSession") -> None:
    with pytest.raises(Exception, match="ZeroDivisionError: a bug") as caught, spark_errors():
        on_workers(spark, bug, [1, 2])
    assert not isinstance(caught.value, FruitsError)


def test_interrupt_cancels_the_job_and_the_session_stays_usable(spark: "SparkSession") -> None:
    """As in a kernel, which puts back Python's own handler while a cell runs."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    tracker = spark.sparkContext.statusTracker()

    def interrupt() -> None:
        while not tracker.getActiveJobsIds():
            time.sleep(0.1)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt), spark_errors():
            on_workers(spark, time.sleep, [120.0, 120.0])
    finally:
        signal.signal(signal.SIGINT, former)
    start = time.monotonic()
    assert on_workers(spark, str, [1, 2]) == ["1", "2"]
    assert time.monotonic() - start < 60
