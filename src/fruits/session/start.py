"""A SparkSession, set up for this job, wherever it runs."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from fruits import __version__, errors
from fruits.errors import FruitsError
from fruits.session import class_archive
from fruits.settings import Settings, load

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

_AWS_SDK = "2.35.4"  # what Hadoop 3.5.0 is built with
_S3_PACKAGES = (
    "org.apache.hadoop:hadoop-aws:3.5.0",  # exactly the Hadoop that pyspark carries
    # What S3A uses of the AWS SDK, instead of its 600 MB bundle.
    *(
        f"software.amazon.awssdk:{module}:{_AWS_SDK}"
        for module in ("s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client")
    ),
)
_S3_EXCLUDES = (
    "software.amazon.awssdk:bundle",
    "org.apache.hadoop:hadoop-client-api",  # pyspark has these two
    "org.apache.hadoop:hadoop-client-runtime",
)


def start_session(
    settings: Settings | None = None, *, s3: bool = False, wake: bool = True
) -> "SparkSession":
    """The running SparkSession, or a new one.

    `settings` None: those of the environment and the TOML file, as the `fruits` command has them.
    The master is the one of `settings`, else what spark-submit or the variable MASTER says, else
    all cores of this machine. `s3` says that Spark itself will read or write in S3. `wake`: in one
    process, start a Python worker a core meanwhile, so that the first job has them at once.

    Raises:
        FruitsError: Java is missing, or Spark can't be started.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if (running := SparkSession.getActiveSession()) is not None:
        return running
    settings = settings or load()
    # Otherwise workers take the `python3` of the path, and miss every package.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit, whose settings its JVM has
        SparkContext._ensure_initialized()
    conf = SparkConf()
    if settings.master:
        conf.setMaster(settings.master)
    master = conf.get("spark.master") or os.environ.get("MASTER") or "local[*]"
    conf.setMaster(master)
    local = re.match(r"local(\[|$)", master) is not None
    for key, value in _defaults(settings, local=local, s3=s3).items():
        if not conf.contains(key):
            conf.set(key, value)
    spark = _start(conf, wake=wake and local)
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _start(conf: "SparkConf", *, wake: bool) -> "SparkSession":
    from pyspark import SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    if not _java():
        raise FruitsError(
            "Spark needs Java 17 or newer and there is none: "
            "install it (Debian, Ubuntu: apt install default-jre-headless) or set JAVA_HOME"
        )
    try:
        with _fetching_jars_alone(conf.get("spark.jars.ivy")):
            context = SparkContext.getOrCreate(conf)
            # Java is busy with one core until the session is there.
            with ThreadPoolExecutor(1) as beside:
                if wake:  # where this fails, the user's first job says why
                    beside.submit(_wake_workers, context)
                return SparkSession.builder.config(conf=conf).getOrCreate()
    except PySparkRuntimeError as error:
        raise FruitsError(f"Spark can't be started: {str(error).splitlines()[0]}") from error


def _wake_workers(context: "SparkContext") -> None:
    """A job of nothing, for which Python workers start."""
    slots = context.defaultParallelism
    context.parallelize(range(slots), slots).foreach(lambda _: None)


@contextmanager
def _fetching_jars_alone(ivy: str | None) -> Iterator[None]:
    """Sessions that start at the same moment wait for one another.

    Two that fetch into Ivy's folder at once break each other's downloads.
    """
    if ivy is None:
        yield
        return
    import fcntl

    try:
        Path(ivy).mkdir(parents=True, exist_ok=True)
        lock = open(Path(ivy, ".lock"), "w")  # noqa: SIM115
    except OSError as error:
        raise FruitsError(
            f"can't keep Spark's jars for S3 in {ivy} ({error.strerror}): give another --cache"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _java() -> str | None:
    """The `java` that Spark's launcher takes."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home, "bin")) if home else None)


def _defaults(settings: Settings, *, local: bool, s3: bool) -> dict[str, str]:
    """What this job wants of Spark where nobody said otherwise."""
    quiet = files("fruits.session") / "log4j2.properties"
    conf = {
        "spark.app.name": "fruits",
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.extraJavaOptions": (
            f"-Dlog4j2.configurationFile={quiet} {class_archive.options()}".rstrip()
        ),
        "spark.ui.showConsoleProgress": "false",
        # One thread a Python worker: as many workers as cores are at work side by side.
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.python.daemon.module": "fruits.features.daemon",
        "spark.sql.parquet.compression.codec": "zstd",
    }
    if local:
        conf |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            # Loopback is open to everyone who has an account here; Spark makes a secret by itself.
            "spark.authenticate": "true",
            "spark.network.crypto.enabled": "true",
            # Larger results of tasks would go through the network, encrypted, to this same process.
            "spark.task.maxDirectResultSize": "32m",
            # What is shuffled are keys; Spark's 200 partitions would mostly be empty.
            "spark.sql.shuffle.partitions": "16",
        }
    if s3:
        conf |= _s3a(settings.cache)
    return conf


def _s3a(cache: str) -> dict[str, str]:
    """S3A with the environment's endpoint and region; credentials it finds as boto3 does.

    Spark commits by renaming, which in S3 is a copy and not atomic: nobody reads a data set
    before the manifest names it. (S3A's own committers need Spark's spark-hadoop-cloud, which is
    not published for every version of Spark.)
    """
    conf = {
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.aws.credentials.provider": (
            "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
        ),
    }
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        conf["spark.hadoop.fs.s3a.endpoint.region"] = region
    if url := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        conf["spark.hadoop.fs.s3a.endpoint"] = url
        conf["spark.hadoop.fs.s3a.path.style.access"] = "true"
        conf["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(url.startswith("https")).lower()
    if not _has_s3a_jars():
        conf["spark.jars.packages"] = ",".join(_S3_PACKAGES)
        conf["spark.jars.excludes"] = ",".join(_S3_EXCLUDES)
        conf["spark.jars.ivy"] = str(Path(cache).expanduser().absolute() / "ivy")
    return conf


def _has_s3a_jars() -> bool:
    """Whether Spark's own jars (an image may add to them) hold S3A already."""
    import pyspark

    home = Path(os.environ.get("SPARK_HOME") or pyspark.__path__[0])
    return any((home / "jars").glob("*hadoop-aws-*.jar"))  # Ivy puts the group before the name


@contextmanager
def spark_errors() -> Iterator[None]:
    """An error that a worker raised for the user reaches the user as it was raised."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        found = re.search(r"fruits\.errors\.(\w+): (.+)", str(error))
        if found is None:
            raise
        raise getattr(errors, found[1])(found[2]) from error


def versions(spark: "SparkSession") -> dict[str, str]:
    """The versions that the manifest names, of what is installed."""
    found = {
        "fruits": __version__,
        "python": platform.python_version(),
        "java": str(spark.sparkContext._jvm.java.lang.System.getProperty("java.version")),  # type: ignore[union-attr]
    }
    for name in ("pyspark", "openvino", "tensorflow-cpu", "keras", "pillow", "numpy"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
