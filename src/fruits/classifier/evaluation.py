"""The evaluation of a classifier, as stored and as printed by `fruits evaluate --json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Interval = list[float] | None
"""Lower and upper bound of a 95% interval; None if the metric is not defined."""


@dataclass(frozen=True)
class Baseline:
    """The accuracy of a prediction method that needs no training."""

    accuracy: float | None
    interval: Interval


@dataclass(frozen=True)
class LabelMetrics:
    """Metrics for the photos of one label."""

    label: str
    photos: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Confusion:
    """Number of photos of `label` that were predicted as `predicted`."""

    label: str
    predicted: str
    photos: int


@dataclass(frozen=True)
class OnPhotos:
    """Additional figures of an evaluation on a folder of photos."""

    rejects: int
    ignored: int  # files that are not photos
    other_photos: int  # photos whose label the classifier doesn't know
    other_photos_not_confident: float | None  # share of other_photos; None if there are none


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a classifier."""

    how: str
    photos: int
    on_photos: OnPhotos | None  # None for cross-validation
    metrics: dict[str, float | None]  # `metrics.METRICS` and, for nested folders, coarse_accuracy
    intervals: dict[str, Interval]
    baselines: dict[str, Baseline]
    labels: Sequence[LabelMetrics]
    confusion: Sequence[Confusion]  # only pairs that occur, as 1,000 labels make a million pairs

    def to_json(self) -> str:
        """Serializes to one JSON object, with the metrics as top-level keys."""
        return json.dumps(
            {
                "how": self.how,
                "photos": self.photos,
                **(vars(self.on_photos) if self.on_photos else {}),
                **self.metrics,
                "intervals": self.intervals,
                "baselines": {name: vars(baseline) for name, baseline in self.baselines.items()},
                "labels": [vars(label) for label in self.labels],
                "confusion": [vars(pair) for pair in self.confusion],
            },
            indent=2,
        )

    @staticmethod
    def from_json(data: bytes) -> "Evaluation":
        """Parses the output of `to_json`, from this version or from 0.1.0."""
        keys = _renamed(json.loads(data))
        intervals = _renamed(keys["intervals"])
        on_photos: dict[str, Any] = {name: keys.get(name) for name in OnPhotos.__dataclass_fields__}
        return Evaluation(
            keys["how"],
            keys["photos"],
            OnPhotos(**on_photos) if "rejects" in keys else None,
            {name: keys[name] for name in intervals},
            intervals,
            {name: Baseline(**baseline) for name, baseline in keys["baselines"].items()},
            [LabelMetrics(**label) for label in keys["labels"]],
            [Confusion(**_renamed(pair)) for pair in keys["confusion"]],
        )


_NAMES_IN_0_1_0 = {
    "answered": "coverage",
    "accuracy_of_answered": "selective_accuracy",
    "other_photos_not_sure": "other_photos_not_confident",
    "answer": "predicted",
}


def _renamed(keys: dict[str, Any]) -> dict[str, Any]:
    return {_NAMES_IN_0_1_0.get(name, name): value for name, value in keys.items()}
