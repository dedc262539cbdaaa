"""Spark's Python daemon, from which workers are forked, with all that they import imported already.

Spark starts it by `spark.python.daemon.module` (see `session/start.py`). Its own daemon imports
pyspark from an archive, so compiles it at each start, and leaves other imports to each worker.
"""

import gc
import sys
from pathlib import Path


def prefer_installed(path: list[str]) -> None:
    """Puts the archives of an installed pyspark behind its installation, if that is in `path`."""
    for entry in [entry for entry in path if entry.endswith("/pyspark/python/lib/pyspark.zip")]:
        archives = Path(entry).parent
        if str(archives.parents[2]) in path:
            path.sort(key=lambda entry: Path(entry).parent == archives)


if __name__ == "__main__":
    prefer_installed(sys.path)
    import pandas  # noqa: F401  # pyarrow imports it as it makes the first array
    import pyarrow.compute  # noqa: F401
    import pyspark.worker  # noqa: F401
    from PIL import Image
    from pyspark.daemon import manager

    import fruits.features.extract  # noqa: F401
    from fruits.model.export import import_openvino

    Image.preinit()  # its decoders
    import_openvino()
    # A worker collects garbage after each task, and need not look through all of this: 60 ms.
    gc.freeze()
    manager()
