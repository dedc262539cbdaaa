"""Stored features -> a classifier, on Spark.

Features are whitened by the within-label covariance, shrunk towards a multiple of the identity by
an amount chosen by cross-validation (Friedman, "Regularized Discriminant Analysis", JASA 1989).
A photo is then compared with the mean of each label by cosine similarity, as in speaker
verification (Dehak et al., "Cosine Similarity Scoring without Score Normalization Techniques",
Odyssey 2010).

Features of three depths of the network are whitened and compared at each depth, and their cosines
averaged.

Training therefore takes one pass over the features, in which each task sums its rows by label,
followed by the decomposition of a 1280 x 1280 matrix (and of two smaller ones) on the driver.
Unlike the scores of a linear head, cosines do not depend on the number of training photos, so the
calibration of probabilities and confidence on held-out photos also holds for the classifier trained
on all photos (see docs/recognition.md for a comparison). The classifier is stored both as a
pipeline of Spark ML models and as numpy arrays (`Classifier`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fruits.classifier.classifier import (
    Classifier,
    Space,
    directions_of,
    log_sum_exp,
    parts,
    predictions_of,
    unit,
)
from fruits.classifier.examples import Examples
from fruits.classifier.folds import FOLDS, clusters, folds
from fruits.classifier.metrics import LabelledPredictions
from fruits.classifier.sums import Matrix, Sums
from fruits.errors import ClassifyError
from fruits.progress import Count

_SHRINKAGES = (0.05, 0.1, 0.2, 0.4, 0.7)
_DISSIMILAR = 0.15
"""The share of photos of known labels that may be treated as unlike any training photo."""
_MIN_PROBABILITY = 0.5  # below this, a prediction is wrong more often than right


@dataclass(frozen=True)
class _Discriminant:
    """Decomposed sums, from which a classifier with any shrinkage is cheap to compute."""

    mean: Matrix  # [d] mean of the label means, so that rare labels count as much as others
    means: Matrix  # [labels, d] label means relative to `mean`, in `basis`
    values: Matrix  # [d] eigenvalues of the within-label covariance
    basis: Matrix  # [d, d] eigenvectors of the within-label covariance

    @staticmethod
    def of(all_counts: Matrix, sums: Matrix, products: Matrix) -> "_Discriminant":
        """From the members of `Sums`, of one depth."""
        (labels,) = all_counts.nonzero()
        counts, means = all_counts[labels], sums[labels] / all_counts[labels, None]
        # Rows have length 1, so float64 is precise enough for this subtraction.
        within = products - (means * counts[:, None]).T @ means
        values, basis = np.linalg.eigh(within / counts.sum())
        mean = means.mean(axis=0)
        return _Discriminant(mean, (means - mean) @ basis, values.clip(min=0), basis)

    @staticmethod
    def of_each_depth(sums: Sums) -> list["_Discriminant"]:
        pairs = zip(sums.sums, sums.products, strict=True)
        return [_Discriminant.of(sums.counts, *pair) for pair in pairs]

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


def validate(
    examples: Examples,
    labels: list[str],
    count: Count | None = None,
    cluster: NDArray[np.int64] | None = None,
) -> Validation:
    """Chooses the shrinkage with the highest accuracy; calibrates probabilities and confidence.

    `cluster` [examples] are those to hold out; by default, `clusters` of the features.

    Raises:
        ClassifyError: no label has two photos, so nothing can be held out.
    """
    features = examples.features
    label = np.searchsorted(labels, examples.labels)
    if cluster is None:
        cluster = clusters(examples.paths, label, directions_of(features))
    fold = folds(cluster)
    sums = [Sums.of(features[fold == k], label[fold == k], len(labels)) for k in range(FOLDS)]
    whole = sum(sums[1:], sums[0])
    cosines = {s: np.full((len(label), len(labels)), -np.inf) for s in _SHRINKAGES}
    known = np.zeros(len(label), bool)
    count = count or Count()
    count.begin(FOLDS, "folds")
    for k in range(FOLDS):
        held = fold == k
        rest = whole - sums[k]
        if not held.any() or (rest.counts > 0).sum() < 2:
            count.add()
            continue
        found: dict[float, list[NDArray[np.float32]]] = {shrinkage: [] for shrinkage in _SHRINKAGES}
        for fitted, part in zip(
            _Discriminant.of_each_depth(rest), parts(features[held]), strict=True
        ):
            rotated = (unit(part) - fitted.mean) @ fitted.basis
            for shrinkage, cosine in found.items():
                scales = fitted.scales(shrinkage)
                cosine.append(unit(rotated * scales) @ unit(fitted.means * scales).T)
        for shrinkage, table in cosines.items():
            table[np.ix_(held, rest.counts > 0)] = np.mean(found[shrinkage], axis=0)
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
    if not sums.counts.all():
        raise ValueError("each label needs photos")
    spaces = []
    for fitted in _Discriminant.of_each_depth(sums):
        scales = fitted.scales(validation.shrinkage)
        mean, whitening = fitted.mean.astype(np.float32), (fitted.basis * scales).astype(np.float32)
        spaces.append(Space(mean, whitening, unit(fitted.means * scales)))
    return Classifier(
        tuple(labels),
        tuple(spaces),
        validation.temperature,
        validation.min_similarity,
        _MIN_PROBABILITY,
        views,
        sha256,
    )
