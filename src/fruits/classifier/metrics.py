"""Metrics of a classifier, each with a 95% interval."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 1000
_BINS = 10


@dataclass(frozen=True)
class LabelledPredictions:
    """Predictions for n photos with known labels; labels are indices into all labels."""

    truth: NDArray[np.int64]  # [n] the true label
    top: NDArray[np.int64]  # [n, up to 5] predicted labels, the most probable first
    probability: NDArray[np.float64]  # [n] of the first label
    confident: NDArray[np.bool_]  # [n]
    cluster: NDArray[np.int64]  # [n] cluster of similar photos; the bootstrap resamples clusters

    def at(self, rows: NDArray[np.int64]) -> "LabelledPredictions":
        """The predictions in these rows, which may repeat."""
        return LabelledPredictions(
            self.truth[rows],
            self.top[rows],
            self.probability[rows],
            self.confident[rows],
            self.cluster[rows],
        )


Metric = Callable[[LabelledPredictions], float]


def accuracy(predictions: LabelledPredictions) -> float:
    """The share of photos whose label was predicted first."""
    return float((predictions.top[:, 0] == predictions.truth).mean())


def top5(predictions: LabelledPredictions) -> float:
    """The share of photos whose label is among the first five predicted."""
    return float((predictions.top == predictions.truth[:, None]).any(axis=1).mean())


def macro_f1(predictions: LabelledPredictions) -> float:
    """The unweighted mean F1 over all labels that occur."""
    return float(np.mean(per_label(predictions)["f1"]))


def calibration_error(predictions: LabelledPredictions) -> float:
    """The expected calibration error: mean gap between probability and accuracy.

    Computed over ten bins with equal numbers of photos. See Guo et al., "On Calibration of Modern
    Neural Networks", ICML 2017.
    """
    right = predictions.top[:, 0] == predictions.truth
    order = np.argsort(predictions.probability, kind="stable")
    gaps = [
        len(bin) * abs(right[bin].mean() - predictions.probability[bin].mean())
        for bin in np.array_split(order, min(_BINS, len(order)))
    ]
    return float(sum(gaps) / len(order))


def coverage(predictions: LabelledPredictions) -> float:
    """The share of photos with a confident prediction."""
    return float(predictions.confident.mean())


def selective_accuracy(predictions: LabelledPredictions) -> float:
    """The accuracy on photos with a confident prediction; NaN if there are none."""
    return (
        accuracy(predictions.at(np.flatnonzero(predictions.confident)))
        if predictions.confident.any()
        else float("nan")
    )


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "top5": top5,
    "macro_f1": macro_f1,
    "calibration_error": calibration_error,
    "coverage": coverage,
    "selective_accuracy": selective_accuracy,
}


def per_label(predictions: LabelledPredictions) -> dict[str, NDArray[Any]]:
    """Columns with one row per label that occurs.

    `label` (its index), `photos`, `precision`, `recall` and `f1`; undefined values are 0.
    """
    predicted = predictions.top[:, 0]
    size = int(max(predictions.truth.max(), predicted.max())) + 1
    hits = np.bincount(predictions.truth[predicted == predictions.truth], minlength=size)
    photos = np.bincount(predictions.truth, minlength=size)
    times_predicted = np.bincount(predicted, minlength=size)
    (label,) = photos.nonzero()
    return {
        "label": label,
        "photos": photos[label],
        "precision": hits[label] / times_predicted[label].clip(min=1),
        "recall": hits[label] / photos[label],
        "f1": 2 * hits[label] / (photos + times_predicted)[label],
    }


def with_intervals(
    predictions: LabelledPredictions, metrics: dict[str, Metric]
) -> tuple[dict[str, float | None], dict[str, list[float] | None]]:
    """The value of each metric and its 95% interval; None where a metric is not defined.

    Intervals come from a seeded percentile bootstrap over clusters (Efron & Tibshirani, "An
    Introduction to the Bootstrap", 1993).
    """
    random = np.random.default_rng(0)
    clusters, cluster_of_row = np.unique(predictions.cluster, return_inverse=True)
    rows = np.split(
        np.argsort(cluster_of_row, kind="stable"), np.cumsum(np.bincount(cluster_of_row))[:-1]
    )
    drawn: dict[str, list[float]] = {name: [] for name in metrics}
    for _ in range(_RESAMPLES):
        chosen = random.integers(len(clusters), size=len(clusters))
        sample = predictions.at(np.concatenate([rows[cluster] for cluster in chosen]))
        for name, metric in metrics.items():
            drawn[name].append(metric(sample))
    values = {name: metric(predictions) for name, metric in metrics.items()}
    return (
        {name: value if np.isfinite(value) else None for name, value in values.items()},
        {
            name: np.nanpercentile(drawn[name], [2.5, 97.5]).tolist()
            if np.isfinite(value)
            else None
            for name, value in values.items()
        },
    )
