"""A Python daemon for Spark that imports everything before workers are forked from it.

Spark starts it because of `spark.python.daemon.module` (see `session/start.py`). Spark's own
daemon imports pyspark from an archive, which compiles it at each start, and leaves other imports
to each worker.
"""

import gc
import os
import sys
from pathlib import Path


def prefer_installed(path: list[str]) -> None:
    """Moves the archives of an installed pyspark after its installation, if that is in `path`."""
    for entry in [entry for entry in path if entry.endswith("/pyspark/python/lib/pyspark.zip")]:
        archives = Path(entry).parent
        if str(archives.parents[2]) in path:
            path.sort(key=lambda entry: Path(entry).parent == archives)


if __name__ == "__main__":
    prefer_installed(sys.path)
    # Last, so that the modules of a notebook can be imported there, but replace no others.
    sys.path.append(os.getcwd())
    import pandas  # noqa: F401  # imported by pyarrow when it creates the first array
    import pyarrow.compute  # noqa: F401
    import pyspark.worker  # noqa: F401
    from PIL import Image
    from pyspark.daemon import manager

    import fruits.features.extract  # noqa: F401
    from fruits.model.frameworks import import_openvino

    Image.preinit()  # loads the decoders
    import_openvino()
    # Workers collect garbage after each task; skipping all these objects saves 60 ms.
    gc.freeze()
    manager()
