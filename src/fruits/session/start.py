"""Starts a SparkSession configured for this pipeline, locally or on a cluster."""

import os
import platform
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from fruits import __version__, signals
from fruits.errors import FruitsError
from fruits.session import class_archive, environment, modules
from fruits.session.failures import quieten_pyspark
from fruits.session.launch import starting
from fruits.session.workers import check_workers
from fruits.settings import Settings, cache_folder, load
from fruits.storage.s3_client import other_endpoint

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

_AWS_SDK = "2.35.4"  # the version that Hadoop 3.5.0 is built with
_S3_PACKAGES = (
    "org.apache.hadoop:hadoop-aws:3.5.0",  # same Hadoop version as in pyspark
    # The modules of the AWS SDK that S3A uses, instead of its 600 MB bundle.
    *(
        f"software.amazon.awssdk:{module}:{_AWS_SDK}"
        for module in ("s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client")
    ),
)
_S3_EXCLUDES = (
    "software.amazon.awssdk:bundle",
    "org.apache.hadoop:hadoop-client-api",  # pyspark includes these two
    "org.apache.hadoop:hadoop-client-runtime",
)
WORKERS_ENVIRONMENT = {
    # One thread per Python worker, as there is one worker per core.
    "OMP_NUM_THREADS": "1",
    # Bytes of freed memory that glibc keeps, so that it isn't mapped and cleared anew for each
    # photo. glibc itself raises its limits to these values, but only after larger blocks were
    # freed than photos need (mallopt(3)).
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
    # Modules in the working folder must not replace those that workers import.
    "PYTHONSAFEPATH": "1",
}
"""Environment variables of Python workers."""
_OPTIMIZE_LATE = " ".join(
    (
        "-XX:+IgnoreUnrecognizedVMOptions",
        "-XX:Tier4InvocationThreshold=50000",
        "-XX:Tier4MinInvocationThreshold=6000",
        "-XX:Tier4CompileThreshold=150000",
        "-XX:Tier4BackEdgeThreshold=400000",
    )
)
"""Ten times Java's defaults. The pipeline needs little of the JVM, whose optimizing compiler would
keep a core busy while the session starts and workers work, for longer than its code would save.
What computes for long in the JVM is still optimized."""


def start_session(
    settings: Settings | None = None, *, s3: bool = False, wake: bool = True
) -> "SparkSession":
    """The active SparkSession, or a new one.

    If `settings` is None, they are read from the environment and the TOML file, as in the `fruits`
    command. The master is taken from `settings`, else from spark-submit or the variable MASTER,
    else all cores of this machine are used. Pass `s3` if Spark itself reads or writes in S3. With
    `wake` and a local master, one Python worker per core is started in the background, so that the
    first job doesn't have to wait for them.

    Raises:
        FruitsError: Java is missing, or Spark can't be started.
    """
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.sql import SparkSession
    except Exception as error:
        raise modules.explain_import_error(error) from error

    if (running := SparkSession.getActiveSession()) is not None:
        return running
    settings = settings or load()
    if environment.has_gateway():  # the JVM has the settings of spark-submit
        SparkContext._ensure_initialized()
    else:
        for name in ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"):
            os.environ.pop(name, None)
    conf = SparkConf()
    master = environment.master(settings.master or conf.get("spark.master"))
    conf.setMaster(master)
    local = environment.is_local(master)
    _choose_python(local=local)
    for key, value in _defaults(settings, local=local, s3=s3).items():
        if not conf.contains(key):
            conf.set(key, value)
    spark = _start(conf, settings, wake=wake, local=local)
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _choose_python(*, local: bool) -> None:
    """Sets the interpreter of workers: with a local master, always this one.

    By default, they use `python3` from the PATH, which lacks the packages.
    """
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        if local or not os.environ.get(name):
            os.environ[name] = sys.executable


def _start(conf: "SparkConf", settings: Settings, *, wake: bool, local: bool) -> "SparkSession":
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if local:
        environment.check_local_dirs()
    env = environment.for_java(local=local)
    if local and (dirs := env.get("SPARK_LOCAL_DIRS")):
        env["SPARK_LOCAL_DIRS"] = environment.own_local_dirs(dirs)
    # The last of equal arguments has precedence, also over --conf.
    args = [*environment.submit_args(), "--master", conf.get("spark.master") or ""]
    with (
        _fetching_jars_alone(conf.get("spark.jars.ivy")),
        starting(conf, env, args, settings.cache, local=local),
    ):
        if local and (dirs := SparkConf(_jvm=SparkContext._jvm).get("spark.local.dir")):
            conf.set("spark.local.dir", environment.own_local_dirs(dirs))
        former = SparkContext._active_spark_context
        context = SparkContext.getOrCreate(conf)
        try:
            quieten_pyspark(context)
            signals.keep_handlers()
            context.environment.update(environment.withheld(env))
            if not local:
                check_workers(context)
            # Starting the session keeps only one core busy.
            with ThreadPoolExecutor(1) as beside:
                if wake and local:  # if this fails, the user's first job reports the error
                    beside.submit(_wake_workers, context)
                return SparkSession.builder.config(conf=conf).getOrCreate()
        except BaseException:
            if context is not former:  # it would keep executors, and be used by the next call
                with suppress(Exception):
                    context.stop()
            raise


def _wake_workers(context: "SparkContext") -> None:
    """Runs an empty job to start the Python workers."""
    slots = context.defaultParallelism
    context.parallelize(range(slots), slots).foreach(lambda _: None)


@contextmanager
def _fetching_jars_alone(ivy: str | None) -> Iterator[None]:
    """Makes sessions that start at the same time wait for each other.

    Concurrent downloads to the same Ivy folder would corrupt each other.
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
            f"can't store Spark's jars for S3 in {ivy} ({error.strerror}): use another --cache"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _defaults(settings: Settings, *, local: bool, s3: bool) -> dict[str, str]:
    """Spark settings for this pipeline, unless they are set elsewhere."""
    java_options = [
        f"-Dlog4j2.configurationFile={files('fruits.session') / 'log4j2.properties'}",
        class_archive.options(),
        _OPTIMIZE_LATE,
        environment.java_options(settings.cache),
    ]
    conf = {
        "spark.app.name": "fruits",
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.extraJavaOptions": " ".join(filter(None, java_options)),
        "spark.ui.showConsoleProgress": "false",
        **{f"spark.executorEnv.{name}": value for name, value in WORKERS_ENVIRONMENT.items()},
        "spark.python.daemon.module": "fruits.features.daemon",
        "spark.sql.parquet.compression.codec": "zstd",
    }
    if local:
        conf |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            # All local users can access the loopback interface. Spark generates the secret.
            "spark.authenticate": "true",
            "spark.network.crypto.enabled": "true",
            # Larger task results would be sent, encrypted, over the network to the same process.
            "spark.task.maxDirectResultSize": "32m",
            # Only keys are shuffled; most of Spark's default 200 partitions would be empty.
            "spark.sql.shuffle.partitions": "16",
        }
        # Through TCP, the start of each task waits 40 ms for a delayed acknowledgement.
        if folder := environment.socket_folder(settings.cache):
            conf |= {
                "spark.python.unix.domain.socket.enabled": "true",
                "spark.python.unix.domain.socket.dir": folder,
            }
    if s3:
        conf |= _s3a(settings.cache)
    return conf


def _s3a(cache: str) -> dict[str, str]:
    """Settings for S3A: endpoint and region from the environment, credentials found as by boto3.

    Spark commits by renaming, which in S3 is a copy and not atomic. This is safe here, as data
    sets are not read before the manifest references them. (The S3A committers need Spark's
    spark-hadoop-cloud module, which is not published for every version of Spark.)
    """
    conf = {
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.aws.credentials.provider": (
            "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
        ),
        # S3A's own limits add up to half an hour without an answer.
        "spark.hadoop.fs.s3a.connection.establish.timeout": "5s",
        "spark.hadoop.fs.s3a.connection.timeout": "20s",
        "spark.hadoop.fs.s3a.attempts.maximum": "3",
        "spark.hadoop.fs.s3a.retry.limit": "3",
        "spark.hadoop.fs.s3a.retry.throttle.limit": "5",
    }
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        conf["spark.hadoop.fs.s3a.endpoint.region"] = region
    # The same as boto3's, which checked the bucket: a file may name it, too.
    if url := other_endpoint():
        conf["spark.hadoop.fs.s3a.endpoint"] = url
        conf["spark.hadoop.fs.s3a.path.style.access"] = "true"
        conf["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(url.startswith("https")).lower()
    if not _has_s3a_jars():
        conf["spark.jars.packages"] = ",".join(_S3_PACKAGES)
        conf["spark.jars.excludes"] = ",".join(_S3_EXCLUDES)
        conf["spark.jars.ivy"] = str(cache_folder(cache).absolute() / "ivy")
    return conf


def _has_s3a_jars() -> bool:
    """Whether Spark's jars, which an image may extend, already include S3A."""
    return any(
        Path(environment.spark_home(), "jars").glob("*hadoop-aws-*.jar")
    )  # Ivy prefixes the group


def end_session() -> None:
    """Stops the active session if that tells others: a cluster's master, or the history server.

    That takes a second. Otherwise, it ends with its process.
    """
    from pyspark import SparkContext

    if (context := SparkContext._active_spark_context) is None:
        return
    logs_events = context.getConf().get("spark.eventLog.enabled", "false") == "true"
    if logs_events or not str(context.master).startswith("local"):
        with suppress(Exception):  # its JVM may have ended
            context.stop()


def versions(spark: "SparkSession") -> dict[str, str]:
    """The versions of installed software, for the manifest."""
    installed = {
        "fruits": __version__,
        "python": platform.python_version(),
        "java": str(spark.sparkContext._jvm.java.lang.System.getProperty("java.version")),  # type: ignore[union-attr]
    }
    names = ("pyspark", "openvino", "tensorflow-cpu", "tensorflow", "keras", "pillow", "numpy")
    for name in names:
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed
