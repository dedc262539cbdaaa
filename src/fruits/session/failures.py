"""Errors from Spark as errors that the user can fix."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from fruits import errors
from fruits.errors import FruitsError, StorageError

_JVM_ENDED = (
    "Spark's Java process has ended: if the system killed it for lack of memory, use fewer cores "
    "(--master 'local[1]') or a smaller --driver-memory"
)
_KNOWN = (
    (
        r"java\.lang\.OutOfMemoryError: (.+)",
        "Spark is out of memory ({}): use a larger --driver-memory, such as 2g "
        "(on a cluster, spark.executor.memory)",
    ),
    (
        r"No space left on device",
        "a disk is full: free space in Spark's temporary folder, or use another one "
        "(SPARK_LOCAL_DIRS, TMPDIR)",
    ),
    (
        r"ExecutorLostFailure \((.+?)\)(?:\s|$)",
        "an executor was lost ({}): run this again, which reuses the features computed so far; "
        "if it was killed for lack of memory, give executors more (spark.executor.memoryOverhead)",
    ),
    (
        r"Python worker exited unexpectedly",
        "a Python worker was killed, probably for lack of memory: use fewer cores "
        "(--master 'local[1]') or a smaller --reads-in-flight",
    ),
)
"""Patterns in the message of an error, and what to print; {} is what the pattern captures."""
_S3A = re.compile(r"org\.apache\.hadoop\.fs\.s3a|software\.amazon\.awssdk")
_S3A_REASON = re.compile(r"^(?:: |Caused by: )?[\w.$]+(?:Exception|Error): (.*s3a://.+)$", re.M)


@contextmanager
def spark_errors() -> Iterator[None]:
    """Re-raises errors that Spark has wrapped as FruitsErrors, if the user can fix them.

    An interrupt also cancels Spark's jobs: otherwise they would keep the cores busy, as a notebook
    replaces the handler of pyspark that does so.
    """
    try:
        yield
    except KeyboardInterrupt:
        _cancel_jobs()
        raise
    except Exception as error:
        if isinstance(error, FruitsError) or (known := known_failure(error)) is None:
            raise
        raise known from None


def known_failure(error: BaseException) -> FruitsError | None:
    """The error that the user can fix, if this error of Spark is a known one."""
    from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
    from pyspark.errors import PySparkException

    if isinstance(error, (Py4JNetworkError, ConnectionError)):
        return FruitsError(_JVM_ENDED)
    if not isinstance(error, (Py4JError, PySparkException)):
        return None
    text = str(error)
    if match := re.search(r"fruits\.errors\.(\w+): (.+)", text):
        kind = getattr(errors, match[1])
        return kind(match[2]) if issubclass(kind, FruitsError) else None
    if _S3A.search(text) and (match := _S3A_REASON.search(text)):
        return StorageError(f"S3 can't be used: {match[1][:500]}")
    for pattern, message in _KNOWN:
        if match := re.search(pattern, text):
            return FruitsError(message.format(*match.groups()))
    if isinstance(error, Py4JError) and not isinstance(error, Py4JJavaError):
        return FruitsError(_JVM_ENDED)
    return None


def _cancel_jobs() -> None:
    from pyspark import SparkContext

    from fruits import signals

    if (context := SparkContext._active_spark_context) and not signals.are_handled():
        context.cancelAllJobs()
