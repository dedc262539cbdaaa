"""Stored features -> a classifier, on Spark.

Features are whitened by the covariance that photos of one label have, drawn towards a multiple of
the identity by a share that cross-validation chooses (Friedman, "Regularized Discriminant
Analysis", JASA 1989), and a photo is compared with the mean of each label by the cosine (as voices
are with speakers: Dehak et al., "Cosine Similarity Scoring without Score Normalization Techniques",
Odyssey 2010). So training is one pass over the features, in which each task sums its rows by label,
and the algebra of one 1280 x 1280 matrix on the driver. Cosines, unlike the scores of a linear
head, mean the same however much was trained on, so that what held-out photos teach (probabilities,
confidence) holds for the classifier of all; docs/recognition.md compares. What is kept is a
pipeline of Spark ML's own models and the same as numpy (`Classifier`).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.classifier.classifier import Classifier, log_sum_exp, predictions_of, unit
from fruits.classifier.folds import FOLDS, clusters, folds
from fruits.classifier.metrics import LabelledPredictions
from fruits.errors import ClassifyError
from fruits.model.load import FEATURES
from fruits.results import tables
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

_SHRINKAGES = (0.05, 0.1, 0.2, 0.4, 0.7)
_DISSIMILAR = 0.15
"""The share of photos of known kinds that may be taken for photos of other things."""
_MIN_PROBABILITY = 0.5  # below, the prediction is more often wrong than right
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """Photos with labels, in memory: all that are trained on, or an even sample of them."""

    paths: list[str]
    labels: list[str]
    features: NDArray[np.float32]  # [n, 1280]

    @staticmethod
    def of(table: pa.Table) -> "Examples":
        """From rows path, label, features, sorted by path; rows without label are left out."""
        table = table.filter(table["label"].is_valid()).sort_by("path").combine_chunks()
        features = table["features"].combine_chunks().flatten().to_numpy()
        features = features.reshape(len(table), -1 if len(table) else FEATURES)
        return Examples(table["path"].to_pylist(), table["label"].to_pylist(), features)


@dataclass(frozen=True)
class Sums:
    """What training needs to know of n photos: counts [labels], sums [labels, d] and the matrix
    of products [d, d] of features of length 1."""

    counts: Matrix
    sums: Matrix
    products: Matrix

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.counts + other.counts, self.sums + other.sums, self.products + other.products
        )

    @staticmethod
    def of(features: NDArray[np.float32], label: NDArray[np.int64], labels: int) -> "Sums":
        """Of n rows of length 1, whose labels are positions in [0, labels)."""
        rows = features.astype(np.float64)
        sums = np.zeros((labels, rows.shape[1]))
        np.add.at(sums, label, rows)
        counts = np.bincount(label, minlength=labels).astype(np.float64)
        return Sums(counts, sums, rows.T @ rows)


@dataclass(frozen=True)
class _Discriminant:
    """Decomposed sums, from which the classifier of any shrinkage follows at once."""

    labels: NDArray[np.int64]  # those that have photos
    mean: Matrix  # [d] of their means: however rare, a label counts as much as any other
    means: Matrix  # [labels, d], from that mean, in the basis below
    values: Matrix  # [d] eigenvalues of the covariance within labels
    basis: Matrix  # [d, d] its eigenvectors

    @staticmethod
    def of(sums: Sums) -> "_Discriminant":
        (labels,) = sums.counts.nonzero()
        counts, means = sums.counts[labels], sums.sums[labels] / sums.counts[labels, None]
        # Rows have length 1, so these products lose no digits that matter in float64.
        within = sums.products - (means * counts[:, None]).T @ means
        values, basis = np.linalg.eigh(within / counts.sum())
        mean = means.mean(axis=0)
        return _Discriminant(labels, mean, (means - mean) @ basis, values.clip(min=0), basis)

    def scales(self, shrinkage: float) -> Matrix:
        """[d] what whitens in that basis."""
        # Where no label has two photos that differ, there is nothing to whiten.
        spread = self.values.mean() or 1.0
        scales: Matrix = ((1 - shrinkage) * self.values + shrinkage * spread) ** -0.5
        return scales


@dataclass(frozen=True)
class Validation:
    """Cross-validation: predictions for photos of clusters that were held out."""

    fold: NDArray[np.int64]  # [examples] which of the folds held each out
    rows: NDArray[np.int64]  # of the examples: those whose label has photos in other folds too
    cosines: Matrix  # [rows, labels]; -inf: not trained on
    truth: NDArray[np.int64]
    cluster: NDArray[np.int64]
    shrinkage: float
    temperature: float
    min_similarity: float

    @property
    def predictions(self) -> LabelledPredictions:
        """For `metrics`."""
        predicted = predictions_of(
            self.cosines, self.temperature, self.min_similarity, _MIN_PROBABILITY
        )
        return LabelledPredictions(
            self.truth,
            predicted.top,
            predicted.probabilities[:, 0],
            predicted.confident,
            self.cluster,
        )


def validate(examples: Examples, labels: list[str]) -> Validation:
    """Chooses the shrinkage of the highest accuracy, and calibrates probabilities and confidence.

    Raises:
        ClassifyError: no label has two photos, so nothing can be held out.
    """
    features = unit(examples.features)
    label = np.searchsorted(labels, examples.labels)
    cluster = clusters(examples.paths, label, features)
    fold = folds(cluster)
    sums = [Sums.of(features[fold == k], label[fold == k], len(labels)) for k in range(FOLDS)]
    whole = sum(sums[1:], sums[0])
    cosines = {s: np.full((len(label), len(labels)), -np.inf) for s in _SHRINKAGES}
    known = np.zeros(len(label), bool)
    for k in range(FOLDS):
        held = fold == k
        rest = Sums(
            whole.counts - sums[k].counts,
            whole.sums - sums[k].sums,
            whole.products - sums[k].products,
        )
        if not held.any() or (rest.counts > 0).sum() < 2:
            continue
        fitted = _Discriminant.of(rest)
        rotated = (features[held] - fitted.mean) @ fitted.basis
        for shrinkage, table in cosines.items():
            scales = fitted.scales(shrinkage)
            cosine = unit(rotated * scales) @ unit(fitted.means * scales).T
            table[np.ix_(held, fitted.labels)] = cosine
        known |= held & (rest.counts > 0)[label]
    (rows,) = known.nonzero()
    if not len(rows):
        raise ClassifyError(
            "a classifier needs two labels or more with at least two photos that differ: "
            "add photos (a photo's label is the folder it is in)"
        )
    truth = label[rows]
    right = {s: (table[rows].argmax(axis=1) == truth).mean() for s, table in cosines.items()}
    best = max(_SHRINKAGES, key=lambda s: (right[s], s))
    chosen = cosines[best][rows]
    return Validation(
        fold,
        rows,
        chosen,
        truth,
        cluster[rows],
        best,
        _temperature(chosen, truth),
        float(np.quantile(chosen.max(axis=1), _DISSIMILAR)),
    )


def _temperature(cosines: Matrix, truth: NDArray[np.int64]) -> float:
    """That by which the true labels are most probable (Guo et al., "On Calibration of Modern
    Neural Networks", ICML 2017), by golden section on its logarithm."""

    def loss(log_temperature: float) -> float:
        scores = cosines / np.exp(log_temperature)
        return float((log_sum_exp(scores) - scores[np.arange(len(truth)), truth]).mean())

    low, high = np.log(1e-3), np.log(10)
    ratio = (np.sqrt(5) - 1) / 2
    while high - low > 1e-3:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def fit(
    sums: Sums, labels: list[str], validation: Validation, views: int, sha256: str
) -> Classifier:
    """The classifier of all photos, with the shrinkage and calibration of a cross-validation."""
    fitted = _Discriminant.of(sums)
    scales = fitted.scales(validation.shrinkage)
    return Classifier(
        tuple(labels),
        fitted.mean.astype(np.float32),
        (fitted.basis * scales).astype(np.float32),
        unit(fitted.means * scales),
        validation.temperature,
        validation.min_similarity,
        _MIN_PROBABILITY,
        views,
        sha256,
    )


def sums_of(spark: "SparkSession", folder: Folder, files: Sequence[str], labels: list[str]) -> Sums:
    """In one pass on Spark, of files of rows with `label` and `features`; other labels are left
    out."""
    # As many tasks as run side by side, within reason: each gives the driver 13 MB and more.
    slots = min(spark.sparkContext.defaultParallelism, 16)
    task = _SumsOfFiles(folder, labels)
    first, *others = filter(None, tables.on_workers(spark, task, tables.deal(files, slots)))
    return sum(others, first)


@dataclass(frozen=True)
class _SumsOfFiles:
    """A task of `sums_of`."""

    folder: Folder
    labels: list[str]

    def __call__(self, files: Sequence[str]) -> Sums | None:
        position = {label: i for i, label in enumerate(self.labels)}
        total: Sums | None = None
        for table in tables.read_each(self.folder, files, ["label", "features"]):
            label = np.array([position.get(name, -1) for name in table["label"].to_pylist()])
            rows = table["features"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
            batch = Sums.of(unit(rows[label >= 0]), label[label >= 0], len(position))
            total = batch if total is None else total + batch
        return total


def as_spark_ml(spark: "SparkSession", classifier: Classifier) -> "PipelineModel":
    """The same classifier as Spark ML has it: from a vector column `raw` to `probability`,
    `prediction` and `predicted_label`. Only the JVM can make the models."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.classification import LogisticRegressionModel
    from pyspark.ml.common import _py2java
    from pyspark.ml.feature import IndexToString, Normalizer, PCAModel, StandardScalerModel
    from pyspark.ml.linalg import DenseMatrix, DenseVector

    d, labels = len(classifier.mean), len(classifier.labels)
    java = functools.partial(_py2java, spark.sparkContext)
    ml: Any = spark.sparkContext._jvm.org.apache.spark.ml  # type: ignore[union-attr]
    one = java(DenseVector(np.ones(d)))
    scaler = StandardScalerModel(
        ml.feature.StandardScalerModel("StandardScaler", one, java(DenseVector(classifier.mean)))
    )
    scaler._resetUid("StandardScaler")
    scaler._set(inputCol="unit", outputCol="centred", withMean=True, withStd=False)
    matrix = DenseMatrix(d, d, classifier.whitening.astype(np.float64).ravel(order="F"))
    whitening = PCAModel(ml.feature.PCAModel("PCA", java(matrix), one))
    whitening._resetUid("PCA")
    whitening._set(k=d, inputCol="centred", outputCol="whitened")
    directions = classifier.directions.astype(np.float64) / classifier.temperature
    coefficients = java(DenseMatrix(labels, d, directions.ravel(order="F")))
    nothing = java(DenseVector(np.zeros(labels)))
    regression = LogisticRegressionModel(
        ml.classification.LogisticRegressionModel(
            "LogisticRegression", coefficients, nothing, labels, True
        )
    )
    regression._resetUid("LogisticRegression")
    regression._set(featuresCol="direction")
    names = IndexToString(
        inputCol="prediction", outputCol="predicted_label", labels=list(classifier.labels)
    )
    before = Normalizer(inputCol="raw", outputCol="unit", p=2.0)
    after = Normalizer(inputCol="whitened", outputCol="direction", p=2.0)
    return PipelineModel([before, scaler, whitening, after, regression, names])
