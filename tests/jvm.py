"""How the tests start Spark's JVM: sessions of tests are short, and most of them is its start."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyspark
from places import ROOT

# The better compiler never earns here what it costs, nor do threads that collect garbage.
_SHORT = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

# What most sessions do, so that the classes for it are in the archive.
_USUAL = """
import sys
import pyarrow as pa
from fruits.reduce import fit, transform
from fruits.session import start_session
from fruits.settings import Settings

spark = start_session(Settings(master="local[1]"))
features = pa.array([[1, 2], [2, 1]], pa.list_(pa.float32()))
rows = pa.table({"path": ["a", "b"], "features": features})
spark.createDataFrame(rows).write.parquet(f"{sys.argv[1]}/rows")
rows = spark.read.parquet(f"{sys.argv[1]}/rows").where("path is not null")
reduction = fit(rows, components=1)
transform(reduction, rows).join(rows.select("path"), ["path"], "left_semi").toArrow()
spark.stop()
"""


def options() -> str:
    """SPARK_SUBMIT_OPTS for tests; makes the archive of Spark's loaded classes where it is missing.

    By it (class data sharing) a session takes a third of the time to start.
    """
    archive = _archive()
    archive.parent.mkdir(exist_ok=True)
    with open(archive.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _make(archive)
    return f"{_SHORT} -XX:SharedArchiveFile={archive}"


def _archive() -> Path:
    """It serves one Java, one Spark and one usual session, in one place."""
    jars = Path(pyspark.__path__[0], "jars")
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr  # noqa: S607
    key = f"{java} {jars} {jars.stat().st_mtime_ns} {pyspark.__version__} {_USUAL}"
    return ROOT / "build" / f"spark-{hashlib.sha256(key.encode()).hexdigest()[:12]}.jsa"


def _make(archive: Path) -> None:
    made = archive.with_suffix(".new")
    with tempfile.TemporaryDirectory() as folder:
        session = subprocess.run(
            [sys.executable, "-c", _USUAL, folder],
            env={**os.environ, "SPARK_SUBMIT_OPTS": f"{_SHORT} -XX:ArchiveClassesAtExit={made}"},
            # By the pipe it waits for the JVM as well, which writes the archive as it ends.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=240,
        )
    if session.returncode or not made.exists():
        raise RuntimeError(f"the session for the class archive failed:\n{session.stdout}")
    made.rename(archive)
