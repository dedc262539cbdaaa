"""Synthetic features: each label is a cluster around its own centre."""

import numpy as np

from fruits.classifier.classifier import Classifier
from fruits.classifier.examples import Examples
from fruits.classifier.fit import Validation, fit, validate
from fruits.classifier.sums import Sums
from fruits.model.load import FEATURES


def blobs(
    labels: int, each: int, spread: float = 0.3, seed: int = 0, width: int = FEATURES
) -> Examples:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(labels, width))
    names = np.repeat([f"kind-{i:04d}" for i in range(labels)], each)
    rows = np.repeat(centres, each, axis=0) + spread * random.normal(size=(labels * each, width))
    paths = [f"{name}/{i:05d}.jpg" for i, name in enumerate(names)]
    return Examples(paths, names.tolist(), rows.astype(np.float32))


def trained(examples: Examples) -> tuple[Classifier, Validation]:
    labels = sorted(set(examples.labels))
    validation = validate(examples, labels)
    position = np.searchsorted(labels, examples.labels)
    sums = Sums.of(examples.features, position, len(labels))
    return fit(sums, labels, validation, 1, "0" * 64), validation
