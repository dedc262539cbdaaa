"""How right a classifier is: each measure with its 95 % interval."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 1000
_BINS = 10


@dataclass(frozen=True)
class Judged:
    """n photos with what they show and what was said of them, as positions among the labels."""

    truth: NDArray[np.int64]  # [n]
    top: NDArray[np.int64]  # [n, up to 5]
    probability: NDArray[np.float64]  # [n] of the first
    sure: NDArray[np.bool_]  # [n]
    group: NDArray[np.int64]  # [n] photos that are alike, and are drawn together by the bootstrap

    def at(self, rows: NDArray[np.int64]) -> "Judged":
        """Some of them, maybe repeatedly."""
        return Judged(
            self.truth[rows],
            self.top[rows],
            self.probability[rows],
            self.sure[rows],
            self.group[rows],
        )


Measure = Callable[[Judged], float]


def accuracy(judged: Judged) -> float:
    """The share of photos whose label was named first."""
    return float((judged.top[:, 0] == judged.truth).mean())


def top5(judged: Judged) -> float:
    """The share of photos whose label is among the first five."""
    return float((judged.top == judged.truth[:, None]).any(axis=1).mean())


def macro_f1(judged: Judged) -> float:
    """The mean of the labels' F1, over labels that occur; each counts the same, however rare."""
    return float(np.mean(per_label(judged)["f1"]))


def calibration_error(judged: Judged) -> float:
    """The expected calibration error (Guo et al., «On Calibration of Modern Neural Networks», ICML
    2017): how far probabilities are from the share that is right, over ten equally filled bins."""
    right = judged.top[:, 0] == judged.truth
    order = np.argsort(judged.probability, kind="stable")
    gaps = [
        len(bin) * abs(right[bin].mean() - judged.probability[bin].mean())
        for bin in np.array_split(order, min(_BINS, len(order)))
    ]
    return float(sum(gaps) / len(order))


def answered(judged: Judged) -> float:
    """The share of photos that get an answer rather than «not sure»."""
    return float(judged.sure.mean())


def accuracy_of_answered(judged: Judged) -> float:
    """The accuracy on the photos that get an answer; NaN where none does."""
    return accuracy(judged.at(np.flatnonzero(judged.sure))) if judged.sure.any() else float("nan")


MEASURES: dict[str, Measure] = {
    "accuracy": accuracy,
    "top5": top5,
    "macro_f1": macro_f1,
    "calibration_error": calibration_error,
    "answered": answered,
    "accuracy_of_answered": accuracy_of_answered,
}


def per_label(judged: Judged) -> dict[str, NDArray[Any]]:
    """Of each label that occurs: `label` (its position), `photos`, and `precision`, `recall` and
    `f1`, 0 where one is not defined."""
    said, size = judged.top[:, 0], int(max(judged.truth.max(), judged.top[:, 0].max())) + 1
    hits = np.bincount(judged.truth[said == judged.truth], minlength=size)
    there, named = np.bincount(judged.truth, minlength=size), np.bincount(said, minlength=size)
    (label,) = there.nonzero()
    return {
        "label": label,
        "photos": there[label],
        "precision": hits[label] / named[label].clip(min=1),
        "recall": hits[label] / there[label],
        "f1": 2 * hits[label] / (there + named)[label],
    }


def with_intervals(
    judged: Judged, measures: dict[str, Measure]
) -> tuple[dict[str, float | None], dict[str, list[float] | None]]:
    """Each measure's value, and its 95 % interval: that of a percentile bootstrap over groups
    (Efron & Tibshirani, «An Introduction to the Bootstrap», 1993), seeded. None: not defined."""
    random = np.random.default_rng(0)
    groups, of_row = np.unique(judged.group, return_inverse=True)
    rows = np.split(np.argsort(of_row, kind="stable"), np.cumsum(np.bincount(of_row))[:-1])
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(_RESAMPLES):
        chosen = random.integers(len(groups), size=len(groups))
        sample = judged.at(np.concatenate([rows[each] for each in chosen]))
        for name, measure in measures.items():
            drawn[name].append(measure(sample))
    values = {name: measure(judged) for name, measure in measures.items()}
    return (
        {name: value if np.isfinite(value) else None for name, value in values.items()},
        {
            name: np.nanpercentile(drawn[name], [2.5, 97.5]).tolist()
            if np.isfinite(value)
            else None
            for name, value in values.items()
        },
    )
