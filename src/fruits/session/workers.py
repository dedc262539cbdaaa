"""Checks that Python workers of a cluster have this package."""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fruits import __version__
from fruits.errors import FruitsError
from fruits.session.environment import DOCTOR, is_local

if TYPE_CHECKING:
    from pyspark import SparkContext

_BUSY_S = 15  # longer than an executor and its first worker take to start


def check_workers(context: "SparkContext") -> str:
    """Runs a task in one Python worker; returns the versions of Python and of this package there.

    Raises:
        FruitsError: workers can't be started, or lack a package.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        with _saying_if_busy():
            python, package = context.parallelize([0], 1).map(_versions).first()
    except (Py4JError, PySparkException) as error:
        if context._jsc.sc().isStopped():
            raise  # the session has failed, such as for want of a master
        advice = (
            "correct PYTHONPATH"
            if is_local(context.master or "")
            else "set PYSPARK_PYTHON to an interpreter on the workers that has this package"
        )
        raise FruitsError(
            f"Python workers can't be started with {context.pythonExec} ({_cause(str(error))}): "
            f"{advice} ({DOCTOR})"
        ) from error
    if package != __version__:
        raise FruitsError(
            f"workers have fruits {package}, this is {__version__}: install the same version"
        )
    return f"Python {python}, fruits {package}"


@contextmanager
def _saying_if_busy() -> Iterator[None]:
    """Says on standard error what is waited for; Spark would wait silently, and forever."""
    line = "waiting for a free core of the cluster …"
    timer = threading.Timer(_BUSY_S, lambda: print(line, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _versions(_: int) -> tuple[str, str]:
    import platform

    import fruits

    return platform.python_version(), fruits.__version__


def _cause(text: str) -> str:
    """The line of an error of Spark that tells what happened in the worker."""
    patterns = (
        r"\w*Error: (No module named [^\n]+)",
        r"(Cannot run program [^\n]+)",
        r"(\[PYTHON_VERSION_MISMATCH\][^\n]+)",
        r"\n\s*(\w+(?:Error|Exception): [^\n]+)",
    )
    for pattern in patterns:
        if match := re.search(pattern, text):
            return match[1]
    return next((line for line in text.splitlines()[1:] if line.strip()), text)[:300]
