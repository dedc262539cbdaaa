"""The metrics, compared to those of scikit-learn where it has them."""

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


def test_metrics_match_scikit_learn(predictions: LabelledPredictions) -> None:
    predicted = predictions.top[:, 0]
    assert accuracy(predictions) == metrics.accuracy_score(predictions.truth, predicted)
    assert macro_f1(predictions) == pytest.approx(
        metrics.f1_score(predictions.truth, predicted, average="macro")
    )
    precision, recall, f1, photos = metrics.precision_recall_fscore_support(
        predictions.truth, predicted
    )
    table = per_label(predictions)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert table[name] == pytest.approx(expected)
    assert (table["photos"] == photos).all()
    assert accuracy(predictions) < top5(predictions) <= 1


def test_calibrated_probabilities_have_no_calibration_error() -> None:
    random = np.random.default_rng(0)
    probability = random.uniform(0.3, 1, size=20_000)
    right = random.uniform(size=20_000) < probability
    truth = np.zeros(20_000, int)
    predicted = np.where(right, 0, 1)[:, None]
    calibrated = LabelledPredictions(truth, predicted, probability, right, truth)
    assert calibration_error(calibrated) < 0.02
    overconfident = LabelledPredictions(truth, predicted, np.ones(20_000), right, truth)
    assert calibration_error(overconfident) == pytest.approx(1 - right.mean())


def test_interval_contains_the_value_and_accounts_for_similar_photos(
    predictions: LabelledPredictions,
) -> None:
    values, intervals = with_intervals(predictions, METRICS)
    low, high = intervals["accuracy"] or (0, 0)
    assert low < (values["accuracy"] or 0) < high
    assert 0.06 < high - low < 0.13  # 4 standard errors for 400 photos would be 0.09
    ten_times = predictions.at(np.repeat(np.arange(400), 10))  # copies add no information
    again = with_intervals(ten_times, {"accuracy": accuracy})[1]["accuracy"] or [0, 0]
    assert again[1] - again[0] == pytest.approx(high - low, rel=0.2)


def test_undefined_metrics_are_none(predictions: LabelledPredictions) -> None:
    never_confident = LabelledPredictions(
        predictions.truth,
        predictions.top,
        predictions.probability,
        np.zeros(400, bool),
        predictions.cluster,
    )
    values, intervals = with_intervals(never_confident, METRICS)
    assert values["coverage"] == 0
    assert values["selective_accuracy"] is None
    assert intervals["selective_accuracy"] is None
