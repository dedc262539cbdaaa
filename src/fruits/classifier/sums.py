"""What a classifier is computed from: sums over photos, in one pass, also on Spark."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fruits.classifier.classifier import parts, unit
from fruits.photos.labels import folders_of
from fruits.progress import Count
from fruits.results import tables
from fruits.session.counting import Counter, counting
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Sufficient statistics of n photos, for each depth of the network.

    They are over features that have length 1 at each depth.
    """

    counts: Matrix  # [labels]
    sums: tuple[Matrix, ...]  # [labels, d] each
    products: tuple[Matrix, ...]  # [d, d] each

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.counts + other.counts,
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(a + b for a, b in zip(self.products, other.products, strict=True)),
        )

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(
            self.counts - other.counts,
            tuple(a - b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(a - b for a, b in zip(self.products, other.products, strict=True)),
        )

    @staticmethod
    def of(features: NDArray[np.float32], label: NDArray[np.int64], labels: int) -> "Sums":
        """Sums over the features [n, d] of photos whose labels are integers in [0, labels)."""
        sums, products = [], []
        for part in parts(features):
            rows = unit(part).astype(np.float64)
            sums.append(np.zeros((labels, rows.shape[1])))
            np.add.at(sums[-1], label, rows)
            products.append(rows.T @ rows)
        counts = np.bincount(label, minlength=labels).astype(np.float64)
        return Sums(counts, tuple(sums), tuple(products))


def sums_of(
    spark: "SparkSession",
    folder: Folder,
    files: Sequence[str],
    labels: list[str],
    held_out: frozenset[str] = frozenset(),
    count: Count | None = None,
) -> Sums:
    """Sums over files with columns `path`, `label` and `features`, in one pass on Spark.

    Rows with a label that is not in `labels`, and photos in the folders `held_out`, are skipped.
    """
    # One task per slot, up to 16, as each sends 13 to 23 MB or more to the driver.
    context = spark.sparkContext
    tasks = tables.deal(files, min(context.defaultParallelism, 16))
    with counting(context, count or Count(), len(files), "files read") as counter:
        task = _SumsOfFiles(folder, labels, held_out, counter)
        first, *others = filter(None, tables.on_workers(spark, task, tasks))
    return sum(others, first)


@dataclass(frozen=True)
class _SumsOfFiles:
    """A task of `sums_of`."""

    folder: Folder
    labels: list[str]
    held_out: frozenset[str]
    counter: Counter

    def __call__(self, files: Sequence[str]) -> Sums | None:
        position = {label: i for i, label in enumerate(self.labels)}
        held_out = pa.array(self.held_out, pa.string())
        columns = ["path", "label", "features"]
        total: Sums | None = None
        add = self.counter.of_this_task()
        for rows_of_file in tables.read_each(self.folder, files, columns):
            is_held_out = pc.is_in(folders_of(rows_of_file["path"]), held_out)
            table = rows_of_file.filter(pc.invert(is_held_out))
            label = np.array([position.get(name, -1) for name in table["label"].to_pylist()])
            if (label >= 0).any():
                rows = table["features"].combine_chunks().flatten().to_numpy()
                rows = rows.reshape(len(table), -1)
                batch = Sums.of(rows[label >= 0], label[label >= 0], len(position))
                total = batch if total is None else total + batch
            add(1, 1)
        return total
