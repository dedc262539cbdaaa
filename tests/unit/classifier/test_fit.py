"""The classifier: what it computes, and how it handles unusual data."""

import functools
import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
from blobs import blobs, trained
from sklearn.covariance import shrunk_covariance

from fruits.classifier.classifier import Classifier, unit
from fruits.classifier.examples import Examples
from fruits.classifier.fit import fit
from fruits.classifier.sums import Sums
from fruits.errors import ClassifyError, ResultsError
from fruits.model.load import DEPTHS, FEATURES


@functools.cache
def trained_on_three_labels(width: int = FEATURES) -> tuple[Examples, Classifier]:
    examples = blobs(3, 10, width=width)
    return examples, trained(examples)[0]


def test_scores_are_cosines_under_the_shrunk_within_label_covariance() -> None:
    examples = blobs(4, 30, spread=3.0)
    classifier, validation = trained(examples)
    rows = unit(examples.features).astype(float).reshape(4, 30, 1280)
    means = rows.mean(axis=1)
    within = (rows - means[:, None]).reshape(120, 1280)
    covariance = shrunk_covariance(within.T @ within / 120, validation.shrinkage)
    precision = np.linalg.inv(covariance)
    unseen = unit(blobs(4, 5, spread=3.0, seed=1).features).astype(float)
    photo, mean = unseen - means.mean(axis=0), means - means.mean(axis=0)
    expected = photo @ precision @ mean.T
    expected /= np.sqrt(np.einsum("ni,ij,nj->n", photo, precision, photo))[:, None]
    expected /= np.sqrt(np.einsum("ni,ij,nj->n", mean, precision, mean))
    assert classifier.cosines(unseen) == pytest.approx(expected, abs=1e-4)


def test_scores_of_three_depths_are_the_mean_of_their_cosines() -> None:
    examples = blobs(4, 30, spread=3.0, width=sum(DEPTHS))
    classifier, validation = trained(examples)
    unseen = blobs(4, 5, spread=3.0, seed=1, width=sum(DEPTHS)).features
    bounds = [0, *np.cumsum(DEPTHS)]
    cosines = []
    for start, end in itertools.pairwise(bounds):
        part = replace(examples, features=examples.features[:, start:end])
        labels = sorted(set(examples.labels))
        sums = Sums.of(part.features, np.searchsorted(labels, part.labels), 4)
        alone = fit(sums, labels, validation, 6, "")
        cosines.append(alone.cosines(unseen[:, start:end] * (1 + start)))  # scale is irrelevant
    assert classifier.depths
    assert classifier.cosines(unseen) == pytest.approx(np.mean(cosines, axis=0), abs=1e-6)


@pytest.mark.parametrize("width", [FEATURES, sum(DEPTHS)])
def test_a_stored_classifier_predicts_the_same(width: int) -> None:
    examples, classifier = trained_on_three_labels(width)
    again = Classifier.from_bytes(classifier.to_bytes())
    assert again.labels == classifier.labels
    assert (again.cosines(examples.features) == classifier.cosines(examples.features)).all()


def test_a_classifier_of_version_0_1_0_predicts_the_same() -> None:
    examples, classifier = trained_on_three_labels()
    with np.load(io.BytesIO(classifier.to_bytes())) as file:
        former = {name.removesuffix("_0"): file[name] for name in file.files}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **former)
    again = Classifier.from_bytes(out.getvalue())
    assert not again.depths
    assert (again.cosines(examples.features) == classifier.cosines(examples.features)).all()


def test_known_labels_are_recognised_and_unknown_ones_are_not_confident() -> None:
    examples = blobs(6, 40)
    classifier, validation = trained(examples)
    assert (validation.cosines.argmax(axis=1) == validation.truth).mean() == 1
    again = classifier.predict(examples.features)
    names = np.array(classifier.labels)[again.top[:, 0]]
    assert (names == examples.labels).all()
    assert again.probabilities.sum(axis=1).max() <= 1 + 1e-6
    assert again.confident.mean() > 0.8
    strangers = blobs(5, 40, seed=99)
    assert classifier.predict(strangers.features).confident.mean() < 0.05


def test_the_same_input_gives_the_same_classifier() -> None:
    one, other = (trained(blobs(5, 12, spread=2.0))[0].to_bytes() for _ in range(2))
    assert one == other


def test_label_with_one_photo_is_learnt_but_not_validated() -> None:
    examples = blobs(3, 20)
    lonely = blobs(1, 1, seed=7)
    both = Examples(
        [*examples.paths, "lonely/a.jpg"],
        [*examples.labels, "lonely"],
        np.concatenate([examples.features, lonely.features]),
    )
    classifier, validation = trained(both)
    assert len(validation.rows) == 60
    prediction = classifier.predict(lonely.features)
    assert classifier.labels[prediction.top[0, 0]] == "lonely"


def test_a_thousand_labels() -> None:
    classifier, validation = trained(blobs(1000, 2))
    assert len(classifier.labels) == 1000
    assert (validation.cosines.argmax(axis=1) == validation.truth).mean() > 0.99


def test_too_few_photos_for_validation_are_an_error() -> None:
    with pytest.raises(ClassifyError, match="at least two different photos: add photos"):
        trained(blobs(5, 1))


def test_probabilities_are_calibrated_on_held_out_photos() -> None:
    _, validation = trained(blobs(8, 60, spread=9.0))
    judged = validation.predictions
    right = (judged.top[:, 0] == judged.truth).mean()
    assert 0.2 < right < 0.95
    assert judged.probability.mean() == pytest.approx(right, abs=0.1)


def test_a_damaged_classifier_is_refused() -> None:
    data = trained_on_three_labels()[1].to_bytes()
    assert Classifier.from_bytes(data).labels == ("kind-0000", "kind-0001", "kind-0002")
    for bad in (b"", b"junk", data[: len(data) // 2]):
        with pytest.raises(ResultsError, match="damaged"):
            Classifier.from_bytes(bad)
