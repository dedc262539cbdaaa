"""Starts Spark's JVM. If that fails, one line says why."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fruits.errors import FruitsError
from fruits.session import environment
from fruits.session.environment import DOCTOR, JVM_OPTIONS, SPARK_VARIABLES
from fruits.session.log import opened

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway
    from pyspark import SparkConf


@contextmanager
def starting(
    conf: "SparkConf", env: dict[str, str], args: list[str], cache: str, *, local: bool
) -> Iterator[None]:
    """Starts a JVM with this environment and these arguments of spark-submit, for a session.

    What it prints goes to a log in the cache; if it fails, the error says what matters of it.

    Raises:
        FruitsError: the JVM or, inside the block, the session can't be started.
    """
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark import SparkContext
    from pyspark.errors import PySparkException

    with opened(cache) as log:
        began = log.seek(0, os.SEEK_END)
        try:
            if SparkContext._gateway is None:
                SparkContext._ensure_initialized(gateway=_launch(conf, env, args, log))
                _log_in(SparkContext._gateway, env)
            yield
        except (_Ended, Py4JError, PySparkException) as error:
            # Other errors of Py4J only say that the JVM has ended.
            words = str(error) if isinstance(error, (Py4JJavaError, PySparkException)) else ""
            was_emptied = log.seek(0, os.SEEK_END) < began  # by `erase` in another process
            log.seek(0 if was_emptied else began)
            printed = log.read().decode("utf-8", "replace")
            if isinstance(error, _Ended):
                environment.check_java()  # raises if Java itself is the reason
            raise FruitsError(_reason(words, printed, local=local)) from None


class _Ended(Exception):
    """The JVM has ended before it could be connected to."""


def _launch(
    conf: "SparkConf", env: dict[str, str], args: list[str], log: IO[bytes]
) -> "JavaGateway":
    """Starts a JVM as `pyspark.java_gateway.launch_gateway` does, and connects to it.

    That function waits forever for a JVM that ends without an error.
    """
    from pyspark.java_gateway import launch_gateway

    environment.find_java()
    command = [f"{env['SPARK_HOME']}/bin/spark-submit"]
    for key, value in conf.getAll():
        command += ["--conf", f"{key}={value}"]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer")  # renamed into place by the JVM, so it is complete
        try:
            jvm = subprocess.Popen(
                [*command, *args, "pyspark-shell"],
                env={
                    **env,
                    "SPARK_CONNECT_MODE": "0",
                    "_PYSPARK_DRIVER_CONN_INFO_PATH": str(answer),
                },
                stdin=subprocess.PIPE,  # the JVM ends when this is closed
                stdout=log,
                stderr=log,
                # Ctrl-C interrupts this process, which ends the JVM.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
            )
        except OSError as error:
            raise FruitsError(
                f"Spark can't be started: {command[0]}: {error.strerror}: {DOCTOR}"
            ) from None
        while not answer.exists():
            if jvm.poll() is not None:
                raise _Ended
            time.sleep(0.02)
        with answer.open("rb") as file:
            port = int.from_bytes(file.read(4))
            secret = file.read(int.from_bytes(file.read(4))).decode()
    found = {"PYSPARK_GATEWAY_PORT": str(port), "PYSPARK_GATEWAY_SECRET": secret}
    os.environ.update(found)
    try:
        gateway = launch_gateway()  # type: ignore[no-untyped-call]
    finally:
        for name in found:
            del os.environ[name]
    gateway.proc = jvm  # keeps its standard input open
    return gateway


def _log_in(gateway: "JavaGateway", env: dict[str, str]) -> None:
    """Names the user to Hadoop, which fails if the uid has no passwd entry, and to AWS."""
    if environment.user_name() is None:
        users = gateway.jvm.org.apache.hadoop.security.UserGroupInformation
        users.setLoginUser(users.createRemoteUser(environment.login_name()))
    if environment.withheld(env):
        for name, key in _AWS_PROPERTIES.items():
            if value := os.environ.get(name):
                gateway.jvm.java.lang.System.setProperty(key, value)


_AWS_PROPERTIES = {
    "AWS_ACCESS_KEY_ID": "aws.accessKeyId",
    "AWS_SECRET_ACCESS_KEY": "aws.secretAccessKey",
    "AWS_SESSION_TOKEN": "aws.sessionToken",
}
"""Where Java's AWS SDK also looks for these variables."""


# Why it failed -------------------------------------------------------------------------------

_CAUSES = (
    (r"All masters are unresponsive", "the master does not answer: check --master"),
    (
        r"UnknownHostException: ([\w.-]+)",
        "the host name {0} does not resolve: add it to /etc/hosts, or set SPARK_LOCAL_IP",
    ),
    (
        r"(?:System memory|Executor memory) (\d+) must be at least (\d+)",
        "{0} bytes of Java heap are too few: pass --driver-memory 512m or more",
    ),
    (
        r"((?:Could not reserve enough space|insufficient memory|Too small \w+ heap"
        r"|Initial heap size|Invalid maximum heap|java.lang.OutOfMemoryError)[^\n]*)",
        "Java's memory does not suffice ({0}): pass another --driver-memory",
    ),
)


def _reason(error: str, printed: str, *, local: bool) -> str:
    """One line on why Spark can't be started: from its error, or from what the JVM printed."""
    for pattern, words in _CAUSES:
        if match := re.search(pattern, f"{error}\n{printed}"):
            # Those of Java may set the heap, too.
            hint = _unset(JVM_OPTIONS) if "--driver-memory" in words else ""
            return f"Spark can't be started, {words.format(*match.groups())}{hint and f'; {hint}'}"
    # With a cluster, its address and secret are in the folders of settings.
    names = [name for name in SPARK_VARIABLES if local or not name.endswith("_CONF_DIR")]
    hint = ", or ".join(filter(None, [_unset((*JVM_OPTIONS, *names)), DOCTOR]))
    return f"Spark can't be started ({_first_error(error or printed)}): {hint}"


def _unset(names: Iterable[str]) -> str:
    found = [name for name in names if os.environ.get(name)]
    return f"correct or unset {', '.join(found)}" if found else ""


_ERROR = re.compile(r"(?:[\w.$]+\.)?(\w+(?:Exception|Error): .+)|(?:Error|ERROR [\w.]+): (.+)")


def _first_error(text: str) -> str:
    """The first line that looks like an error, without the package of the exception."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("at ", "NOTE: ", "Picked up ", "WARN"))]
    for line in lines:
        if match := _ERROR.search(line):
            return (match[1] or match[2])[:300]
    return lines[0][:300] if lines else "Java ended without a message"
