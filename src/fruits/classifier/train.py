"""Fits, evaluates and stores the classifier of a results folder."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fruits.classifier.evaluate import evaluate_validation
from fruits.classifier.examples import Examples
from fruits.classifier.fit import fit, validate
from fruits.classifier.spark_ml import as_spark_ml
from fruits.classifier.sums import sums_of
from fruits.errors import ClassifyError
from fruits.photos.labels import Layout, folders_of, readable_names
from fruits.progress import Count
from fruits.results import tables
from fruits.results.manifest import Manifest, Training
from fruits.results.store import Results
from fruits.results.tables import Keys

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_KEYS = pa.schema([("path", pa.string()), ("label", pa.string())])
_EXAMPLES = 20_000
"""Maximum number of photos in memory (230 MB), for cross-validation and nearest neighbours."""


def train_on_results(
    spark: "SparkSession",
    store: Results,
    pending: Manifest,
    views: int,
    count: Count | None = None,
) -> Manifest:
    """The pending manifest with a classifier trained on its features, or on its views.

    Photos in folders of the test split are left out.

    Raises:
        ClassifyError: there are too few labels or photos.
    """
    trained_on = "views" if views > 1 and pending.views else "features"
    files = getattr(pending, trained_on)
    keys = Keys.of(store.folder, files, _KEYS)
    held_out = _test_folders(keys.rows)
    usable = keys.rows["label"].is_valid()
    is_held_out = pc.is_in(folders_of(keys.rows["path"]), pa.array(held_out, pa.string()))
    wanted = pc.and_(usable, pc.invert(is_held_out)).to_numpy()
    labels = labels_to_tell_apart(keys.rows["label"].filter(wanted).unique().to_pylist())
    example_files = _examples(store, keys, wanted)
    examples = Examples.of(store.read(example_files))
    validation = validate(examples, labels, count)
    sums = sums_of(spark, store.folder, files, labels, held_out, count)
    if count is not None:
        count.begin(None, "")
    names = readable_names(labels, examples.paths, examples.labels)
    classifier = fit(sums, labels, validation, views, pending.model["sha256"])
    classifier = replace(classifier, names=tuple(names))
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
        held_out=pc.sum(is_held_out).as_py(),
        views=views,
        depths=len(classifier.spaces),
        features=pending.features,
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


def _test_folders(keys: pa.Table) -> frozenset[str]:
    """The folders of the test split, unless too few labels would be left without them."""
    layout = Layout.of_photos(keys["path"])
    folders = frozenset(folder for folder, split in layout.splits.items() if split == "test")
    others = pc.invert(layout.in_split(keys["path"], "test"))
    left = keys["label"].filter(others).drop_null().unique()
    return folders if len(left) > 1 else frozenset()


def _examples(store: Results, keys: Keys, wanted: NDArray[np.bool_]) -> list[str]:
    """Files with at most 20,000 of the wanted rows, sampled evenly over labels.

    All wanted rows have a label.
    """
    labels = keys.rows["label"].to_numpy()
    _, counts = np.unique(labels[wanted].astype(str), return_counts=True)
    if counts.sum() <= _EXAMPLES:
        if keys.rows["label"].filter(~wanted).null_count == (~wanted).sum():
            return keys.files
        a_label = _EXAMPLES
    else:
        a_label = max(
            n for n in range(1, _EXAMPLES + 1) if np.minimum(n, counts).sum() <= _EXAMPLES
        )
    order = np.argsort([crc32(path.encode()) for path in keys.rows["path"].to_pylist()])
    chosen = np.zeros(len(order), bool)
    taken: Counter[str] = Counter()
    for row in order[wanted[order]].tolist():
        chosen[row] = taken[labels[row]] < a_label
        taken[labels[row]] += 1
    name = tables.new_file("examples")
    tables.write(store.folder, name, keys.read(store.folder, chosen))
    return [name]
