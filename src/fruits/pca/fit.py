"""Features -> standardised -> principal components, on Spark.

The result equals that of Spark ML's `StandardScaler(withMean=True)` followed by `PCA`, and is
stored as such models. It is computed in one pass over the features: each task computes the mean
and the scatter matrix of its rows in numpy; the driver adds these up (1280 x 1280 numbers per
task, never features) and decomposes the correlation matrix. Spark ML's own fit takes two passes
and does its linear algebra in Java; see `bench/` for a comparison.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.errors import PCAError
from fruits.pca import spark_ml
from fruits.pca.moments import NONE, Moments, moments_of, moments_of_batches
from fruits.progress import Count
from fruits.results import tables
from fruits.session.counting import Counter, counting
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class FittedPCA:
    """A fitted scaler and PCA: (x - mean) / deviation, projected on the loadings."""

    mean: NDArray[np.float64]  # [d]
    deviation: NDArray[np.float64]  # [d]; 0 for constant features, which are ignored
    loadings: NDArray[np.float64]  # [d, k]
    explained_variance: NDArray[np.float64]
    """[k]: the share of the total variance that each component explains, in descending order."""

    def save(self, folder: Folder, path: str) -> None:
        """Saves a Spark ML StandardScalerModel to `path`/scaler and a PCAModel to `path`/pca.

        They map a vector column `raw` to `scaled`, and `scaled` to `projected`.
        """
        spark_ml.save(
            folder,
            f"{path}/scaler",
            "feature.StandardScalerModel",
            {"inputCol": "raw", "outputCol": "scaled", "withMean": True, "withStd": True},
            {"std": self.deviation, "mean": self.mean},
        )
        spark_ml.save(
            folder,
            f"{path}/pca",
            "feature.PCAModel",
            {"inputCol": "scaled", "outputCol": "projected", "k": self.loadings.shape[1]},
            {"pc": self.loadings, "explainedVariance": self.explained_variance},
        )


def load(folder: Folder, path: str) -> FittedPCA:
    """Loads a PCA that `FittedPCA.save` wrote."""
    scaler, pca = (spark_ml.load(folder, f"{path}/{name}") for name in ("scaler", "pca"))
    return FittedPCA(scaler["mean"], scaler["std"], pca["pc"], pca["explainedVariance"])


def fit(features: "DataFrame", variance: float = 0.95, components: int | None = None) -> FittedPCA:
    """Fits a PCA with `components`, or with as few as explain `variance` (in (0, 1]).

    `features` has a column `features` array<float>. The sign of each component is chosen such that
    its largest loading by absolute value is positive.

    Raises:
        PCAError: there are fewer than two rows, no feature varies, or more components were
            requested than are available.
    """
    return _fitted(moments_of(features), variance, components)


def fit_stored(
    spark: "SparkSession",
    folder: Folder,
    files: Sequence[str],
    variance: float,
    components: int | None,
    count: Count | None = None,
) -> FittedPCA:
    """As `fit`, on the features in these files, which workers read directly."""
    # One task per slot, up to 32, as each sends 13 MB to the driver.
    context = spark.sparkContext
    tasks = tables.deal(files, min(context.defaultParallelism, 32))
    with counting(context, count or Count(), len(files), "files read") as counter:
        parts = tables.on_workers(spark, _MomentsOfFiles(folder, counter), tasks)
    if count is not None:
        count.begin(None, "")  # nothing in the decomposition can be counted
    return _fitted(sum(parts, NONE), variance, components)


def _fitted(moments: "Moments", variance: float, components: int | None) -> FittedPCA:
    if moments.count < 2:
        raise PCAError(
            f"PCA needs at least two photos, not {moments.count}: "
            "add photos, or do without (`fruits featurize`; `fruits erase` without --refit)"
        )
    deviation = moments.deviation()
    varying = deviation > 0
    rank = min(moments.count - 1, int(varying.sum()))
    if rank == 0:
        raise PCAError("all photos have the same features: PCA needs different photos")
    if components is not None and components > rank:
        raise PCAError(
            f"{components} components are too many: {moments.count} photos allow at most {rank}; "
            "choose fewer, by --components or --variance of `fruits run` or `fruits pca`"
        )
    inverse = np.divide(1, deviation, out=np.zeros_like(deviation), where=varying)
    correlation = moments.scatter / (moments.count - 1) * np.outer(inverse, inverse)
    eigenvalues, loadings = np.linalg.eigh(correlation)
    eigenvalues, loadings = eigenvalues[::-1].clip(min=0), loadings[:, ::-1]
    explained = eigenvalues / eigenvalues.sum()
    k = components or min(rank, int(np.searchsorted(np.cumsum(explained), variance - 1e-9)) + 1)
    loadings = loadings[:, :k]
    largest = np.abs(loadings).argmax(axis=0)
    loadings = loadings * np.sign(loadings[largest, np.arange(k)])
    return FittedPCA(moments.mean, deviation, loadings, explained[:k])


def transform(reduction: FittedPCA, features: "DataFrame") -> "DataFrame":
    """Replaces the column `features` with `components` array<float>."""
    from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

    others = [field for field in features.schema if field.name != "features"]
    components = StructField("components", ArrayType(FloatType()))
    return features.mapInArrow(_Projection.of(reduction), StructType([*others, components]))


def project(
    spark: "SparkSession",
    folder: Folder,
    reduction: FittedPCA,
    files: Sequence[str],
    count: Count | None = None,
) -> list[str]:
    """Projects each of these files of features to a new file of path, label, components.

    Returns the names of the new files.
    """
    pairs = [(file, tables.new_file("reduced")) for file in files]
    task = _ProjectFile(folder, _Projection.of(reduction))
    tables.on_workers(spark, task, pairs, count, "files projected")
    return [name for _, name in pairs]


@dataclass(frozen=True)
class _Projection:
    """Scaler and PCA combined: (x - mean) @ weights. Pickled and sent to workers."""

    mean: NDArray[np.float64]  # [d]
    weights: NDArray[np.float64]  # [d, k]

    @staticmethod
    def of(reduction: FittedPCA) -> "_Projection":
        deviation = reduction.deviation
        inverse = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        return _Projection(reduction.mean, reduction.loadings * inverse[:, None])

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Replaces `features` with `components`, as the last column."""
        for batch in batches:
            x = batch["features"].flatten().to_numpy().reshape(len(batch), len(self.mean))
            values = ((x - self.mean) @ self.weights).astype(np.float32)
            offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
            lists = pa.ListArray.from_arrays(offsets, values.ravel())
            yield batch.drop_columns("features").append_column("components", lists)


@dataclass(frozen=True)
class _ProjectFile:
    """A task that projects one file of features to one file of components."""

    folder: Folder
    projection: _Projection

    def __call__(self, names: tuple[str, str]) -> None:
        source, target = names
        rows = tables.read_file(self.folder, source, ["path", "label", "features"])
        parts = self.projection(rows.to_batches(max_chunksize=_ROWS))
        tables.write(self.folder, target, pa.Table.from_batches(parts))


_ROWS = 1_024  # rows per batch: 10 MB as float64


@dataclass(frozen=True)
class _MomentsOfFiles:
    """A task of `fit_stored`: the moments of the features in some files."""

    folder: Folder
    counter: Counter

    def __call__(self, files: Sequence[str]) -> Moments:
        add = self.counter.of_this_task()
        total = NONE
        for rows in tables.read_each(self.folder, files, ["features"]):
            total += moments_of_batches(rows.to_batches(max_chunksize=_ROWS))
            add(1, 1)
        return total
