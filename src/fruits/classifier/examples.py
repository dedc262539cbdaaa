"""The photos that a classifier is trained on, in memory."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fruits.model.load import FEATURES

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Examples:
    """Labelled photos in memory: all training photos, or a balanced sample of them."""

    paths: list[str]
    labels: list[str]
    features: NDArray[np.float32]  # [n, 1280], or [n, 2816]: see `engine.described`

    @staticmethod
    def of(table: "pa.Table") -> "Examples":
        """From a table of path, label, features; sorts by path and drops rows without a label."""
        table = table.filter(table["label"].is_valid()).sort_by("path").combine_chunks()
        features = table["features"].combine_chunks().flatten().to_numpy()
        features = features.reshape(len(table), -1 if len(table) else FEATURES)
        return Examples(table["path"].to_pylist(), table["label"].to_pylist(), features)
