"""An archive of the classes that Spark's JVM loads (class data sharing).

It halves the start-up time of a session. It only works with the versions of Java and Spark that
created it; others ignore it. `start_session` uses it if it exists.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fruits.errors import FruitsError

# A typical session, which loads the classes to archive.
_SESSION = """
import sys
from fruits.pca import fit, transform
from fruits.session import start_session
from fruits.settings import Settings

spark = start_session(Settings(master="local[1]"))
rows = spark.sparkContext.parallelize([("a", [1.0, 2.0]), ("b", [2.0, 1.0])])
rows = spark.createDataFrame(rows, "path string, features array<float>")
rows.write.parquet(sys.argv[1])
rows = spark.read.parquet(sys.argv[1]).where("path is not null")
transform(fit(rows, components=1), rows).join(rows.select("path"), ["path"], "left_semi").toArrow()
"""

# The JVM writes the archive when it exits.
_END = """
jvm = spark.sparkContext._gateway.proc
spark.stop()
jvm.stdin.close()
jvm.wait()
"""


def path() -> Path:
    """The path of the archive, in the environment of this Python."""
    return Path(sys.prefix, "spark.jsa")


def options() -> str:
    """JVM options to use the archive, without warnings if it is from another version of Java."""
    quiet = "-Xlog:cds=off,cds+dynamic=off"
    return f"-XX:SharedArchiveFile={path()} {quiet}" if path().exists() else ""


def make() -> None:
    """Creates or replaces the archive.

    Raises:
        FruitsError: the session failed.
    """
    path().unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=path().parent) as folder:
        archive = Path(folder, "archive")
        session = subprocess.run(
            [sys.executable, "-P", "-c", _SESSION + _END, f"{folder}/rows"],
            env={**os.environ, "SPARK_SUBMIT_OPTS": f"-XX:ArchiveClassesAtExit={archive}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        if session.returncode or not archive.exists():
            raise FruitsError(f"a session to record its classes failed:\n{session.stdout}")
        archive.rename(path())


def main() -> None:
    """Creates the archive, or prints why that failed."""
    try:
        make()
    except (FruitsError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{error}\nSpark starts without an archive of its classes, slower.\n")
