"""Errors from Spark as errors that the user can fix."""

import logging
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from fruits import errors, signals
from fruits.errors import FruitsError, StorageError

if TYPE_CHECKING:
    from pyspark import SparkContext

_JVM_ENDED = (
    "Spark's Java process has ended: if the system killed it for lack of memory, use fewer cores "
    "(--master 'local[1]') or a smaller --driver-memory; in a notebook, restart the kernel"
)
_OUT_OF_MEMORY = 52
"""The exit code of Spark after an OutOfMemoryError (`SparkExitCode.OOM`)."""
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
_S3A_REASON = re.compile(r"^(?:: )?(?:[\w$]+\.)+[\w$]*(?:Exception|Error): (.+)$", re.M)


@contextmanager
def spark_errors(address: str = "") -> Iterator[None]:
    """Re-raises errors that Spark has wrapped as FruitsErrors, if the user can fix them.

    `address` is that of the folder which Spark itself reads or writes, for its errors.

    An interrupt also cancels Spark's jobs: otherwise they would keep the cores busy, as a notebook
    replaces the handler of pyspark that does so.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, FruitsError):
            raise
        if _is_interrupt(error):
            _cancel_jobs()
            raise KeyboardInterrupt from None
        if (known := known_failure(error, address)) is None:
            raise
        raise known from None


def quieten_pyspark(context: "SparkContext") -> None:
    """Stops pyspark and Py4J from printing tracebacks of errors that they also raise."""
    context._accumulatorServer.handle_error = lambda *_: None  # type: ignore[method-assign]
    if not any(isinstance(known, _RaisedToo) for known in logging.root.filters):
        logging.root.addFilter(_RaisedToo())


class _RaisedToo(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).endswith(" while sending command.")


def known_failure(error: BaseException, address: str = "") -> FruitsError | None:
    """The error that the user can fix, if this error of Spark is a known one."""
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark.errors import PySparkException

    if isinstance(error, (Py4JJavaError, PySparkException)):
        return _explained(str(error), address)
    if isinstance(error, (Py4JError, ConnectionError, EOFError)):
        code = _exit_code_of_jvm()
        if code == _OUT_OF_MEMORY:
            return _explained("java.lang.OutOfMemoryError: Java heap space", address)
        return None if code is None else FruitsError(_JVM_ENDED)
    return None


def _explained(text: str, address: str) -> FruitsError | None:
    """The error that a Java exception, given as text with its stack, means for the user."""
    if match := re.search(r"fruits\.errors\.(\w+): (.+)", text):
        kind = getattr(errors, match[1])
        return kind(match[2]) if issubclass(kind, FruitsError) else None
    if _S3A.search(text) and (match := _S3A_REASON.search(text)):
        place = f"{address}: " if address and "s3a://" not in match[1] else ""
        return StorageError(f"{place}S3 can't be used: {match[1][:500]}")
    for pattern, message in _KNOWN:
        if match := re.search(pattern, text):
            return FruitsError(message.format(*match.groups()))
    return None


def _exit_code_of_jvm() -> int | None:
    """None if it is still running."""
    from pyspark import SparkContext

    process: subprocess.Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    try:
        return None if process is None else process.wait(1)
    except subprocess.TimeoutExpired:
        return None


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether the error, or one that was being handled when it was raised, is an interrupt.

    An interrupt breaks the connection to the JVM that it finds in use, so what pyspark does in
    `finally` fails.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _cancel_jobs() -> None:
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is None or signals.are_handled():  # then the JVM is killed
        return
    with suppress(Exception):  # fails if the connection was broken, and replaces it
        context.cancelAllJobs()
        return
    with suppress(Exception):
        context.cancelAllJobs()
