"""The measures of a classifier beside two baselines, as `fruits evaluate --json` prints them."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fruits.classifier.classifier import Classifier, unit
from fruits.classifier.fit import Examples, Validation
from fruits.classifier.metrics import MEASURES, Judged, accuracy, per_label, with_intervals
from fruits.errors import PhotosError
from fruits.photos.listing import Listing

_NEIGHBOURS = 5


def nearest_label(
    known: NDArray[np.float32], labels: NDArray[Any], features: NDArray[np.float32]
) -> list[str]:
    """The label that most of the five nearest have, the nearest where they differ: a baseline.

    `known` [m, d] and `features` [n, d] of length 1.
    """
    found = []
    for start in range(0, len(features), 256):  # 20 MB of nearness at a time
        nearness = features[start : start + 256] @ known.T
        for row in np.argsort(-nearness, axis=1, kind="stable")[:, :_NEIGHBOURS]:
            found.append(Counter(labels[row].tolist()).most_common(1)[0][0])
    return found


def of_validation(examples: Examples, validation: Validation, labels: list[str]) -> dict[str, Any]:
    """The measures on the photos of looks that were left out in training."""
    features = unit(examples.features)
    fold = validation.fold
    names = np.array(examples.labels, object)
    neighbour = np.empty(len(names), object)
    for k in np.unique(fold):
        if (fold != k).any():
            neighbour[fold == k] = nearest_label(
                features[fold != k], names[fold != k], features[fold == k]
            )
    neighbours = np.searchsorted(labels, neighbour[validation.rows].astype(str))
    measured = _measures(validation.judged, labels, neighbours, examples)
    return {
        "how": "cross-validation, whole looks left out",
        "photos": len(validation.rows),
        **measured,
    }


def of_photos(
    said: pa.Table, classifier: Classifier, examples: Examples, photos: str, listing: Listing
) -> dict[str, Any]:
    """The measures on a folder of photos."""
    labels = list(classifier.labels)
    good = said.filter(said["reason"].is_null())
    known = good.filter(pc.is_in(good["label"], pa.array(labels)))
    others = good.filter(pc.invert(pc.is_in(good["label"], pa.array(labels))))
    if not known.num_rows:
        raise PhotosError(
            f"none of the {listing.table.num_rows} photos in {photos} is in a folder that the "
            f"classifier knows: {', '.join(labels[:8])}{' …' if len(labels) > 8 else ''}"
        )
    sure = known["sure"].to_numpy()
    judged = Judged(
        np.searchsorted(labels, known["label"].to_pylist()),
        np.searchsorted(labels, np.array(known["answers"].to_pylist())),
        np.array([each[0] for each in known["probabilities"].to_pylist()]),
        sure,
        np.arange(known.num_rows),
    )
    neighbours = np.searchsorted(labels, known["neighbour"].to_pylist())
    return {
        "how": "photos that were given",
        "photos": known.num_rows,
        "rejects": said.num_rows - good.num_rows,
        "ignored": listing.ignored,
        "other_photos": others.num_rows,
        "other_photos_not_sure": (
            float(1 - pc.mean(others["sure"].cast(pa.float64())).as_py()) if len(others) else None
        ),
        **_measures(judged, labels, neighbours, examples),
    }


def _measures(
    judged: Judged, labels: list[str], neighbours: NDArray[np.int64], examples: Examples
) -> dict[str, Any]:
    measures = dict(MEASURES)
    outer = _outer(examples)
    if any(name != label for label, name in outer.items()):
        _, of_label = np.unique([outer.get(each, each) for each in labels], return_inverse=True)
        measures["coarse_accuracy"] = lambda some: float(
            (of_label[some.top[:, 0]] == of_label[some.truth]).mean()
        )
    values, intervals = with_intervals(judged, measures)
    baselines = {}
    frequent = labels.index(Counter(examples.labels).most_common(1)[0][0])
    for name, said in (
        ("most_frequent", np.full(len(judged.truth), frequent)),
        ("nearest_neighbours", neighbours),
    ):
        value, interval = with_intervals(replace(judged, top=said[:, None]), {"accuracy": accuracy})
        baselines[name] = {"accuracy": value["accuracy"], "interval": interval["accuracy"]}
    table = per_label(judged)
    pairs = Counter(zip(judged.truth.tolist(), judged.top[:, 0].tolist(), strict=True))
    return {
        **values,
        "intervals": intervals,
        "baselines": baselines,
        "labels": [
            {
                "label": labels[table["label"][i]],
                "photos": int(table["photos"][i]),
                **{name: float(table[name][i]) for name in ("precision", "recall", "f1")},
            }
            for i in range(len(table["label"]))
        ],
        # Of each label, what was said: only what occurs, as a thousand labels have a million pairs.
        "confusion": [
            {"label": labels[truth], "answer": labels[said], "photos": count}
            for (truth, said), count in sorted(pairs.items())
        ],
    }


def _outer(examples: Examples) -> dict[str, str]:
    """The folder around each label's folder, where folders are nested; else the label itself."""
    found: dict[str, Counter[str]] = {}
    for path, label in zip(examples.paths, examples.labels, strict=True):
        parts = path.split("/")
        found.setdefault(label, Counter())[parts[-3] if len(parts) > 2 else label] += 1
    return {label: counts.most_common(1)[0][0] for label, counts in found.items()}
