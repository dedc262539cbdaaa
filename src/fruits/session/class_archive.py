"""An archive of the classes that Spark's JVM loads as it starts (class data sharing): by it a
session starts in half the time.
It serves the Java and the Spark that made it; any other does without. `start_session` takes it
where it is there.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fruits.errors import FruitsError

# What sessions do, so that the classes for it are loaded.
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
spark.stop()
"""


def path() -> Path:
    """Of the archive, in the environment that this Python belongs to."""
    return Path(sys.prefix, "spark.jsa")


def options() -> str:
    """For Spark's JVM: takes the archive, and says nothing where it is another Java's."""
    quiet = "-Xlog:cds=off,cds+dynamic=off"
    return f"-XX:SharedArchiveFile={path()} {quiet}" if path().exists() else ""


def make() -> None:
    """Writes the archive anew.

    Raises:
        FruitsError: the session failed.
    """
    path().unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=path().parent) as folder:
        made = Path(folder, "archive")
        session = subprocess.run(
            [sys.executable, "-c", _SESSION, f"{folder}/rows"],
            env={**os.environ, "SPARK_SUBMIT_OPTS": f"-XX:ArchiveClassesAtExit={made}"},
            # By the pipe it waits for the JVM as well, which writes the archive as it ends.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        if session.returncode or not made.exists():
            raise FruitsError(f"a session to record its classes failed:\n{session.stdout}")
        made.rename(path())


def main() -> None:
    """Makes the archive, or says why there is none."""
    try:
        make()
    except (FruitsError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{error}\nSpark starts without an archive of its classes, slower.\n")
