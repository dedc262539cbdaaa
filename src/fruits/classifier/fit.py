"""Stored features -> a classifier, on Spark.

Features are whitened by the within-label covariance, shrunk towards a multiple of the identity by
an amount chosen by cross-validation (Friedman, "Regularized Discriminant Analysis", JASA 1989).
A photo is then compared with the mean of each label by cosine similarity, as in speaker
verification (Dehak et al., "Cosine Similarity Scoring without Score Normalization Techniques",
Odyssey 2010).

Training therefore takes one pass over the features, in which each task sums its rows by label,
followed by the decomposition of a 1280 x 1280 matrix on the driver. Unlike the scores of a linear
head, cosines do not depend on the number of training photos, so the calibration of probabilities
and confidence on held-out photos also holds for the classifier trained on all photos (see
docs/recognition.md for a comparison). The classifier is stored both as a pipeline of Spark ML
models and as numpy arrays (`Classifier`).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fruits.classifier.classifier import Classifier, log_sum_exp, predictions_of, unit
from fruits.classifier.folds import FOLDS, clusters, folds
from fruits.classifier.metrics import LabelledPredictions
from fruits.errors import ClassifyError
from fruits.model.load import FEATURES
from fruits.photos.labels import folders_of
from fruits.progress import Count
from fruits.results import tables
from fruits.session.counting import Counter, counting
from fruits.storage import Folder

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

_SHRINKAGES = (0.05, 0.1, 0.2, 0.4, 0.7)
_DISSIMILAR = 0.15
"""The share of photos of known labels that may be treated as unlike any training photo."""
_MIN_PROBABILITY = 0.5  # below this, a prediction is wrong more often than right
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """Labelled photos in memory: all training photos, or a balanced sample of them."""

    paths: list[str]
    labels: list[str]
    features: NDArray[np.float32]  # [n, 1280]

    @staticmethod
    def of(table: pa.Table) -> "Examples":
        """From a table of path, label, features; sorts by path and drops rows without a label."""
        table = table.filter(table["label"].is_valid()).sort_by("path").combine_chunks()
        features = table["features"].combine_chunks().flatten().to_numpy()
        features = features.reshape(len(table), -1 if len(table) else FEATURES)
        return Examples(table["path"].to_pylist(), table["label"].to_pylist(), features)


@dataclass(frozen=True)
class Sums:
    """Sufficient statistics of n photos, over features of length 1.

    These are counts [labels], sums [labels, d] and the matrix of products [d, d].
    """

    counts: Matrix
    sums: Matrix
    products: Matrix

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.counts + other.counts, self.sums + other.sums, self.products + other.products
        )

    @staticmethod
    def of(features: NDArray[np.float32], label: NDArray[np.int64], labels: int) -> "Sums":
        """Sums over n rows of length 1, whose labels are integers in [0, labels)."""
        rows = features.astype(np.float64)
        sums = np.zeros((labels, rows.shape[1]))
        np.add.at(sums, label, rows)
        counts = np.bincount(label, minlength=labels).astype(np.float64)
        return Sums(counts, sums, rows.T @ rows)


@dataclass(frozen=True)
class _Discriminant:
    """Decomposed sums, from which a classifier with any shrinkage is cheap to compute."""

    labels: NDArray[np.int64]  # labels that have photos
    mean: Matrix  # [d] mean of the label means, so that rare labels count as much as others
    means: Matrix  # [labels, d] label means relative to `mean`, in `basis`
    values: Matrix  # [d] eigenvalues of the within-label covariance
    basis: Matrix  # [d, d] eigenvectors of the within-label covariance

    @staticmethod
    def of(sums: Sums) -> "_Discriminant":
        (labels,) = sums.counts.nonzero()
        counts, means = sums.counts[labels], sums.sums[labels] / sums.counts[labels, None]
        # Rows have length 1, so float64 is precise enough for this subtraction.
        within = sums.products - (means * counts[:, None]).T @ means
        values, basis = np.linalg.eigh(within / counts.sum())
        mean = means.mean(axis=0)
        return _Discriminant(labels, mean, (means - mean) @ basis, values.clip(min=0), basis)

    def scales(self, shrinkage: float) -> Matrix:
        """[d] factors that whiten features in `basis`."""
        # If no label has two different photos, there is nothing to whiten.
        spread = self.values.mean() or 1.0
        scales: Matrix = ((1 - shrinkage) * self.values + shrinkage * spread) ** -0.5
        return scales


@dataclass(frozen=True)
class Validation:
    """Cross-validation: predictions for the photos of held-out clusters."""

    fold: NDArray[np.int64]  # [examples] the fold that held out each example
    rows: NDArray[np.int64]  # indices of examples whose label also has photos in other folds
    cosines: Matrix  # [rows, labels]; -inf for labels without photos in the other folds
    truth: NDArray[np.int64]
    cluster: NDArray[np.int64]
    shrinkage: float
    temperature: float
    min_similarity: float

    @property
    def predictions(self) -> LabelledPredictions:
        """The predictions, in the form that `metrics` takes."""
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


def validate(examples: Examples, labels: list[str], count: Count | None = None) -> Validation:
    """Chooses the shrinkage with the highest accuracy; calibrates probabilities and confidence.

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
    count = count or Count()
    count.begin(FOLDS, "folds")
    for k in range(FOLDS):
        held = fold == k
        rest = Sums(
            whole.counts - sums[k].counts,
            whole.sums - sums[k].sums,
            whole.products - sums[k].products,
        )
        if not held.any() or (rest.counts > 0).sum() < 2:
            count.add()
            continue
        fitted = _Discriminant.of(rest)
        rotated = (features[held] - fitted.mean) @ fitted.basis
        for shrinkage, table in cosines.items():
            scales = fitted.scales(shrinkage)
            cosine = unit(rotated * scales) @ unit(fitted.means * scales).T
            table[np.ix_(held, fitted.labels)] = cosine
        known |= held & (rest.counts > 0)[label]
        count.add()
    (rows,) = known.nonzero()
    if not len(rows):
        raise ClassifyError(
            "a classifier needs at least two labels, with at least two different photos: "
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
    """The temperature that maximizes the likelihood of the true labels.

    See Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. Found by golden-section
    search on its logarithm.
    """

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
    """The classifier for all photos, with shrinkage and calibration from cross-validation."""
    fitted = _Discriminant.of(sums)
    if len(fitted.labels) != len(labels):
        raise ValueError("each label needs photos")
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
    # One task per slot, up to 16, as each sends 13 MB or more to the driver.
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
            rows = table["features"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
            batch = Sums.of(unit(rows[label >= 0]), label[label >= 0], len(position))
            total = batch if total is None else total + batch
            add(1, 1)
        return total


def as_spark_ml(spark: "SparkSession", classifier: Classifier) -> "PipelineModel":
    """The same classifier as a Spark ML pipeline.

    It maps a vector column `raw` to `probability`, `prediction` and `predicted_label`. The models
    can only be created in the JVM.
    """
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
