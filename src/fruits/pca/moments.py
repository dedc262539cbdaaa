"""Means and scatter matrices of features, computed in one pass and added up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_CONSTANT = 1e-6
"""A feature whose deviation is at most this share of its mean counts as constant: float32 is not
more precise, so scaling it up would fit rounding errors."""


@dataclass(frozen=True)
class Moments:
    """Count, means [d] and scatter matrix [d, d] (centred sums of products) of some rows."""

    count: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    def __add__(self, other: "Moments") -> "Moments":
        # Chan, Golub & LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
        # Variances", 1979: avoids subtracting large numbers, which would lose small variances.
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        shift = other.mean - self.mean
        return Moments(
            count,
            self.mean + shift * (other.count / count),
            self.scatter
            + other.scatter
            + np.outer(shift, shift) * (self.count * other.count / count),
        )

    def deviation(self) -> NDArray[np.float64]:
        """[d]: the standard deviations of at least two rows; 0 for constant features."""
        deviation = np.sqrt(np.diag(self.scatter) / (self.count - 1))
        deviation[deviation <= _CONSTANT * np.abs(self.mean)] = 0
        return deviation


def _moments_of_rows(rows: NDArray[np.float32]) -> Moments:
    x = rows.astype(np.float64)
    mean = x.mean(axis=0)
    x -= mean
    return Moments(len(x), mean, x.T @ x)


NONE = Moments(0, np.zeros(0), np.zeros((0, 0)))


def moments_of_batches(batches: Iterable[pa.RecordBatch]) -> Moments:
    total = NONE
    for batch in batches:
        if len(batch):
            column = batch.column(0)
            total += _moments_of_rows(column.flatten().to_numpy().reshape(len(column), -1))
    return total


def _moments_of_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    total = moments_of_batches(batches)
    row = [[total.count], [total.mean.tobytes()], [total.scatter.tobytes()]]
    yield pa.record_batch(row, names=["count", "mean", "scatter"])


def moments_of(features: "DataFrame") -> Moments:
    """The moments of the column `features` array<float>."""
    # One task per slot, up to 32, as each sends 13 MB to the driver.
    slots = features.sparkSession.sparkContext.defaultParallelism
    column = features.select("features").coalesce(min(slots, 32))
    total = NONE
    parts = column.mapInArrow(_moments_of_task, "count long, mean binary, scatter binary")
    for part in parts.toArrow().to_pylist():
        mean = np.frombuffer(part["mean"])
        scatter = np.frombuffer(part["scatter"]).reshape(len(mean), len(mean))
        total += Moments(part["count"], mean, scatter)
    return total
