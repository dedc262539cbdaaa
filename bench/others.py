"""(d) Daft and Ray Data, used as their documentation recommends, with the same OpenVINO model.

Readers decode and resize, a class runs inference on single-threaded engines, a writer produces
Parquet. They use their own resizing, so the features differ slightly, and neither decodes JPEG at a
reduced scale. The fastest combination of processes or threads and batches of 16 or 64 was chosen.
Their start-up is excluded: TensorFlow, which Daft imports if installed, and Ray's own processes.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from job import Figures, Job, Photos, timed
from numpy.typing import NDArray

from fruits.model.engine import FILES, load_engine
from fruits.model.load import load_model
from fruits.settings import Settings


class _Features:
    """uint8[n, 224, 224, 3] -> float32[n, 1280]."""

    def __init__(self, settings: Settings):
        model = load_model(settings.weights, settings.cache, FILES["openvino"])
        self.engine = load_engine("openvino", model, "float32", threads=1)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.engine.features(pixels.astype(np.float32) / np.float32(127.5) - np.float32(1))


def with_daft(job: Job, least: int | None) -> Figures:
    """Features of at least `least` small photos or, if None, of the large ones."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import daft
    import tensorflow  # noqa: F401

    @daft.cls(max_concurrency=job.cores, use_process=False)
    class Features:
        def __init__(self, settings: Settings):
            self.features = _Features(settings)

        @daft.method.batch(return_dtype=daft.DataType.list(daft.DataType.float32()), batch_size=16)
        def of(self, images: Any) -> Any:
            return list(self.features(np.stack(images.to_pylist())))

    photos = job.large() if least is None else job.at_least(least)
    images = daft.col("path").download().decode_image(mode="RGB").resize(224, 224)
    rows = daft.from_glob_path(f"{photos.address}/**/*.jpg").select(
        "path", Features(job.settings()).of(images).alias("features")
    )
    return _written(lambda to: rows.write_parquet(to, compression="zstd"), job, photos)


def with_ray(job: Job, least: int | None) -> Figures:
    """Like `with_daft`."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import ray

    class Features:
        def __init__(self, settings: Settings):
            self.features = _Features(settings)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            return {"path": batch["path"], "features": list(self.features(batch["image"]))}

    photos = job.large() if least is None else job.at_least(least)
    ray.init(num_cpus=job.cores, include_dashboard=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_images(
        photos.address, size=(224, 224), mode="RGB", include_paths=True
    ).map_batches(
        Features,
        fn_constructor_args=(job.settings(),),
        batch_size=16 if least is None else 64,
        compute=ray.data.ActorPoolStrategy(size=max(1, job.cores // 2)),
        num_cpus=1,
    )
    return _written(rows.write_parquet, job, photos)


def _written(write: Callable[[str], Any], job: Job, photos: Photos) -> Figures:
    results = job.results()
    _, seconds = timed(lambda: write(results))
    rows = pq.read_table(results, columns=["path"]).num_rows
    if rows != photos.count:
        raise AssertionError(f"expected {photos.count} photos, got {rows} rows")
    return {"photos": rows, "seconds": seconds}
