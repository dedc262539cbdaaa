"""The first half of a PCA, to look at: features with mean 0 and standard deviation 1."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.errors import PCAError
from fruits.pca.moments import moments_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def standardise(features: "DataFrame") -> "DataFrame":
    """The same rows, with the column `features` array<float> standardised.

    Each feature gets mean 0 and standard deviation 1; a constant one becomes 0. `fit` does so by
    itself: it finds the same components in standardised features and in those that are not.

    Raises:
        PCAError: there are fewer than two rows.
    """
    moments = moments_of(features)
    if moments.count < 2:
        raise PCAError(f"features of {moments.count} photos can't be standardised: add photos")
    deviation = moments.deviation()
    inverse = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return features.mapInArrow(_Standardise(moments.mean, inverse), features.schema)


@dataclass(frozen=True)
class _Standardise:
    """(x - mean) * inverse, for batches of rows. Pickled and sent to workers."""

    mean: NDArray[np.float64]  # [d]
    inverse: NDArray[np.float64]  # [d]: 1 / deviation, or 0

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            x = batch["features"].flatten().to_numpy().reshape(len(batch), len(self.mean))
            values = ((x - self.mean) * self.inverse).astype(np.float32)
            offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
            lists = pa.ListArray.from_arrays(offsets, values.ravel())
            yield batch.set_column(batch.schema.get_field_index("features"), "features", lists)
