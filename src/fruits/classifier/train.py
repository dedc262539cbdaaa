"""Fits, evaluates and stores the classifier of a results folder."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from fruits.classifier.evaluate import evaluate_validation
from fruits.classifier.fit import Examples, as_spark_ml, fit, sums_of, validate
from fruits.errors import ClassifyError
from fruits.results import tables
from fruits.results.manifest import KEYS, Manifest, Training
from fruits.results.store import Results
from fruits.results.tables import Keys

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_EXAMPLES = 20_000
"""Maximum number of photos in memory (100 MB), for cross-validation and nearest neighbours."""


def train_on_results(
    spark: "SparkSession", store: Results, pending: Manifest, views: int
) -> Manifest:
    """The pending manifest with a classifier trained on its features, or on its views.

    Raises:
        ClassifyError: there are too few labels or photos.
    """
    trained_on = "views" if views > 1 and pending.views else "features"
    files = getattr(pending, trained_on)
    labels = labels_to_tell_apart(store.read(files, ["label"])["label"].unique().to_pylist())
    example_files = _examples(store, files, pending)
    examples = Examples.of(store.read(example_files))
    validation = validate(examples, labels)
    sums = sums_of(spark, store.folder, files, labels)
    classifier = fit(sums, labels, validation, views, pending.model["sha256"])
    path = f"{tables.new_name('models')}/classifier"
    as_spark_ml(spark, classifier).write().save(store.folder.uri(path))
    store.folder.write(f"{path}.npz", classifier.to_bytes())
    evaluation = evaluate_validation(examples, validation, labels)
    store.folder.write(f"{path}.json", evaluation.to_json().encode())
    training = Training(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        trained_on=trained_on,
        photos=int(sums.counts.sum()),
        labels=len(labels),
        views=views,
        shrinkage=validation.shrinkage,
        temperature=classifier.temperature,
        min_similarity=classifier.min_similarity,
        min_probability=classifier.min_probability,
        accuracy=evaluation.metrics["accuracy"],
        accuracy_interval=evaluation.intervals["accuracy"],
    )
    return replace(
        pending,
        models={**pending.models, "classifier": path},
        examples=example_files,
        classifier=training,
        evaluation=None,
    )


def labels_to_tell_apart(names: Iterable[str | None]) -> list[str]:
    """The labels that a classifier can distinguish, sorted.

    Raises:
        ClassifyError: there are fewer than two.
    """
    labels = sorted(filter(None, names))
    if len(labels) < 2:
        there_is = f"only {labels[0]}" if labels else "none"
        raise ClassifyError(
            f"a classifier needs at least two labels, and there is {there_is}: put the photos of "
            "each kind into a folder of its own, and run again"
        )
    return labels


def _examples(store: Results, files: list[str], pending: Manifest) -> list[str]:
    """Files with at most 20,000 of these rows, sampled evenly over labels."""
    counts = [count for label, count in pending.labels.items() if label]
    if sum(counts) <= _EXAMPLES:
        return files
    a_label = max(n for n in range(1, _EXAMPLES + 1) if sum(min(n, c) for c in counts) <= _EXAMPLES)
    keys = Keys.of(store.folder, files, KEYS)
    order = np.argsort([crc32(path.encode()) for path in keys.rows["path"].to_pylist()])
    chosen = np.zeros(len(order), bool)
    taken: Counter[str | None] = Counter({None: a_label})  # excludes photos without a label
    labels = keys.rows["label"].to_pylist()
    for row in order.tolist():
        chosen[row] = taken[labels[row]] < a_label
        taken[labels[row]] += 1
    name = tables.new_file("examples")
    tables.write(store.folder, name, keys.read(store.folder, chosen))
    return [name]
