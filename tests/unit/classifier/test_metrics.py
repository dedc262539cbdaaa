"""The measures, against scikit-learn's where it has them."""

import numpy as np
import pytest
from sklearn import metrics

from fruits.classifier.metrics import (
    METRICS,
    LabelledPredictions,
    accuracy,
    calibration_error,
    macro_f1,
    per_label,
    top5,
    with_intervals,
)


@pytest.fixture
def predictions() -> LabelledPredictions:
    random = np.random.default_rng(0)
    truth = random.integers(8, size=400)
    scores = random.normal(size=(400, 8))
    scores[np.arange(400), truth] += 1.5
    top = np.argsort(-scores, axis=1)[:, :5]
    probability = np.exp(scores).max(axis=1) / np.exp(scores).sum(axis=1)
    return LabelledPredictions(truth, top, probability, probability > 0.5, np.arange(400) // 4)


def test_they_are_those_of_scikit_learn(predictions: LabelledPredictions) -> None:
    said = predictions.top[:, 0]
    assert accuracy(predictions) == metrics.accuracy_score(predictions.truth, said)
    assert macro_f1(predictions) == pytest.approx(
        metrics.f1_score(predictions.truth, said, average="macro")
    )
    precision, recall, f1, photos = metrics.precision_recall_fscore_support(predictions.truth, said)
    table = per_label(predictions)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert table[name] == pytest.approx(expected)
    assert (table["photos"] == photos).all()
    assert accuracy(predictions) < top5(predictions) <= 1


def test_probabilities_that_are_honest_have_no_calibration_error() -> None:
    random = np.random.default_rng(0)
    probability = random.uniform(0.3, 1, size=20_000)
    right = random.uniform(size=20_000) < probability
    truth = np.zeros(20_000, int)
    said = np.where(right, 0, 1)[:, None]
    honest = LabelledPredictions(truth, said, probability, right, truth)
    assert calibration_error(honest) < 0.02
    boasting = LabelledPredictions(truth, said, np.ones(20_000), right, truth)
    assert calibration_error(boasting) == pytest.approx(1 - right.mean())


def test_the_interval_holds_the_value_and_is_wider_where_photos_are_alike(
    predictions: LabelledPredictions,
) -> None:
    values, intervals = with_intervals(predictions, METRICS)
    low, high = intervals["accuracy"] or (0, 0)
    assert low < (values["accuracy"] or 0) < high
    assert 0.06 < high - low < 0.13  # 4 standard errors of 400 photos would be 0.09
    ten_times = predictions.at(np.repeat(np.arange(400), 10))  # no more to be learnt from copies
    again = with_intervals(ten_times, {"accuracy": accuracy})[1]["accuracy"] or [0, 0]
    assert again[1] - again[0] == pytest.approx(high - low, rel=0.2)


def test_what_is_not_defined_is_none(predictions: LabelledPredictions) -> None:
    nobody = LabelledPredictions(
        predictions.truth,
        predictions.top,
        predictions.probability,
        np.zeros(400, bool),
        predictions.cluster,
    )
    values, intervals = with_intervals(nobody, METRICS)
    assert values["coverage"] == 0
    assert values["selective_accuracy"] is None
    assert intervals["selective_accuracy"] is None
