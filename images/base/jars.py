"""Lock and install the jars that S3A needs besides pyspark's, pinned by SHA-256 in jars.lock.

    python images/base/jars.py lock >images/base/jars.lock
    python images/base/jars.py install FOLDER <images/base/jars.lock

Spark itself resolves and downloads them, as it does for a run outside an image that uses S3. Each
line of the lock file is `SHA256  JAR`.
"""

import hashlib
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pyspark

from fruits.session import start_session
from fruits.settings import Settings


def main(verb: str, folder: str = "") -> None:
    spark = start_session(Settings(master="local[1]"), s3=True, wake=False)
    uris = str(spark.sparkContext.getConf().get("spark.jars")).split(",")
    spark.stop()
    jars = {path.name: path for path in (Path(urlsplit(uri).path) for uri in uris)}
    if verb == "install":
        for line in sys.stdin:
            sha256, name = line.split()
            if name not in jars or _sha256(jars[name]) != sha256:
                sys.exit(f"{name} is missing or its checksum is not the one in jars.lock")
            shutil.copy(jars[name], folder)
    else:
        shipped = {_artifact(path.name) for path in (Path(pyspark.__path__[0]) / "jars").iterdir()}
        for name, path in sorted(jars.items()):
            if _artifact(name.partition("_")[2]) not in shipped:  # GROUP_ARTIFACT-VERSION.jar
                print(f"{_sha256(path)}  {name}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _artifact(jar: str) -> str:
    """Return the jar's name without version: `netty-common` for `netty-common-4.2.3.Final.jar`."""
    parts = jar.removesuffix(".jar").split("-")
    version = next((i for i, part in enumerate(parts) if part[:1].isdigit()), len(parts))
    return "-".join(parts[:version])


if __name__ == "__main__":
    main(*sys.argv[1:])
