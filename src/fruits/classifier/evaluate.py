"""Evaluates a classifier and two baselines."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fruits.classifier.baselines import most_frequent_label, nearest_label
from fruits.classifier.classifier import Classifier, directions_of
from fruits.classifier.evaluation import Baseline, Confusion, Evaluation, LabelMetrics, OnPhotos
from fruits.classifier.examples import Examples
from fruits.classifier.fit import Validation
from fruits.classifier.metrics import (
    METRICS,
    LabelledPredictions,
    accuracy,
    per_label,
    with_intervals,
)
from fruits.errors import PhotosError
from fruits.photos.labels import Layout
from fruits.photos.listing import Listing


def evaluate_validation(
    examples: Examples, validation: Validation, labels: list[str]
) -> Evaluation:
    """The evaluation by cross-validation, on the photos of held-out clusters."""
    features = directions_of(examples.features)
    fold = validation.fold
    names = np.array(examples.labels, object)
    neighbour = np.empty(len(names), object)
    for k in np.unique(fold):
        if (fold != k).any():
            neighbour[fold == k] = nearest_label(
                features[fold != k], names[fold != k], features[fold == k]
            )
    neighbours = np.searchsorted(labels, neighbour[validation.rows].astype(str))
    return _evaluation(
        "cross-validation, whole clusters held out",
        None,
        validation.predictions,
        labels,
        neighbours,
        examples,
    )


def evaluate_photos(
    predicted: pa.Table, classifier: Classifier, examples: Examples, photos: str, listing: Listing
) -> Evaluation:
    """The evaluation on a folder of photos, given their predictions as rows of `predict.SCHEMA`.

    Raises:
        PhotosError: no photo has a label that the classifier knows.
    """
    labels = list(classifier.labels)
    usable = predicted.filter(predicted["reason"].is_null())
    is_known = pc.is_in(usable["label"], pa.array(labels))
    known, others = usable.filter(is_known), usable.filter(pc.invert(is_known))
    if not known.num_rows:
        raise PhotosError(
            f"none of the {listing.table.num_rows} photos in {photos} is in a folder that the "
            f"classifier knows: {', '.join(labels[:8])}{' …' if len(labels) > 8 else ''}"
        )
    predictions = LabelledPredictions(
        np.searchsorted(labels, known["label"].to_pylist()),
        np.searchsorted(labels, np.array(known["predictions"].to_pylist())),
        np.array([top[0] for top in known["probabilities"].to_pylist()]),
        known["confident"].to_numpy(),
        np.arange(known.num_rows),
    )
    confident = pc.mean(others["confident"].cast(pa.float64())).as_py()
    on_photos = OnPhotos(
        rejects=predicted.num_rows - usable.num_rows,
        ignored=listing.ignored,
        other_photos=others.num_rows,
        other_photos_not_confident=None if confident is None else 1 - confident,
    )
    neighbours = np.searchsorted(labels, known["neighbour"].to_pylist())
    return _evaluation(
        "photos that were given", on_photos, predictions, labels, neighbours, examples
    )


def _evaluation(
    how: str,
    on_photos: OnPhotos | None,
    predictions: LabelledPredictions,
    labels: list[str],
    neighbours: NDArray[np.int64],
    examples: Examples,
) -> Evaluation:
    metrics = dict(METRICS)
    outer = _outer_folders(examples)
    if any(name != label for label, name in outer.items()):
        _, coarse = np.unique([outer.get(label, label) for label in labels], return_inverse=True)
        metrics["coarse_accuracy"] = lambda drawn: float(
            (coarse[drawn.top[:, 0]] == coarse[drawn.truth]).mean()
        )
    values, intervals = with_intervals(predictions, metrics)
    most_frequent = labels.index(most_frequent_label(examples.labels))
    baselines = {
        "most_frequent": _baseline(predictions, np.full(len(predictions.truth), most_frequent)),
        "nearest_neighbours": _baseline(predictions, neighbours),
    }
    table = per_label(predictions)
    columns = [table[name].tolist() for name in ("photos", "precision", "recall", "f1")]
    pairs = Counter(zip(predictions.truth.tolist(), predictions.top[:, 0].tolist(), strict=True))
    return Evaluation(
        how,
        len(predictions.truth),
        on_photos,
        values,
        intervals,
        baselines,
        [
            LabelMetrics(labels[label], *row)
            for label, *row in zip(table["label"].tolist(), *columns, strict=True)
        ],
        [
            Confusion(labels[truth], labels[predicted], count)
            for (truth, predicted), count in sorted(pairs.items())
        ],
    )


def _baseline(predictions: LabelledPredictions, predicted: NDArray[np.int64]) -> Baseline:
    values, intervals = with_intervals(
        replace(predictions, top=predicted[:, None]), {"accuracy": accuracy}
    )
    return Baseline(values["accuracy"], intervals["accuracy"])


def _outer_folders(examples: Examples) -> dict[str, str]:
    """The parent folder of each label's folder if folders are nested, else the label itself.

    Folders of splits, such as `Training`, are not parents.
    """
    folders = [path.rpartition("/")[0] for path in examples.paths]
    layout = Layout.of(set(folders))
    outer: dict[str, Counter[str]] = {}
    for folder, label in zip(folders, examples.labels, strict=True):
        parts = layout.parts[folder]
        is_nested = len(parts) > 1 and label in (parts[-1], "/".join(parts))
        outer.setdefault(label, Counter())[parts[-2] if is_nested else label] += 1
    return {label: counts.most_common(1)[0][0] for label, counts in outer.items()}
