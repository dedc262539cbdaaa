"""Train, evaluate and predict: the verbs that turn stored features into labels, on Spark."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fruits.classifier import fit as training
from fruits.classifier.classifier import TOP, Classifier, answers_of
from fruits.classifier.evaluate import of_photos, of_validation
from fruits.classifier.fit import Examples
from fruits.classifier.predict import SCHEMA, answer
from fruits.classifier.predictor import as_made, load_classifier, read_examples
from fruits.errors import ClassifyError, PhotosError, StorageError
from fruits.features import extract
from fruits.features.update import Plan, made_with
from fruits.photos.decode import VIEWS
from fruits.photos.listing import SCHEMA as LISTED
from fruits.pipeline import commit, reported, writing
from fruits.progress import Progress
from fruits.results import open_results, tables
from fruits.results.manifest import KEYS, Manifest
from fruits.results.store import Results
from fruits.results.tables import Keys, Writer
from fruits.session import spark_errors
from fruits.settings import Settings
from fruits.storage import open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_VIEWS_UP_TO = 5_000
"""Up to so many photos, views are worth their time unasked: a minute or two on two cores."""
_EXAMPLES = 20_000
"""Photos in memory at most (100 MB): for cross-validation, and to find the nearest."""


def train(
    spark: "SparkSession",
    results: str,
    settings: Settings = Settings(),
    views: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Stored features -> a classifier, judged by cross-validation, and the report.

    `views` 1 trains on the stored features; 6 on the mean over the whole photo, its corners and its
    middle, for which the photos are read once more (and kept: the next training takes only new
    ones). None: 6 for up to 5,000 photos that can be read, else 1.

    Raises:
        FruitsError: what the user can put right; what stood in `results` before is untouched.
    """
    progress = progress or Progress()
    with writing(results) as store, spark_errors():
        draft = store.current()
        _labels(draft)  # or an error, before photos are read
        draft, views = _with_views(spark, store, draft, settings, views, progress)
        with progress.step("train"):
            draft = fitted(spark, store, draft, views)
        commit(spark, store, draft, progress, spent="views")
        reported(spark, store, progress)
    return store.current()


def evaluate(
    spark: "SparkSession",
    results: str,
    photos: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> "Evaluated":
    """How right the classifier is on a folder of photos that it has not seen; kept for the report.

    A photo's true label is the folder it is in. Photos in folders that the classifier doesn't know
    are counted apart: they should get «not sure».

    Raises:
        FruitsError: there is no classifier, or no photo in a folder that it knows.
    """
    progress = progress or Progress()
    with writing(results) as store, spark_errors():
        classifier = load_classifier(store)
        examples = Examples.of(read_examples(store))
        said, listing = answer(spark, store, classifier, photos, settings, progress, examples)
        with progress.step("evaluate"):
            evaluation = of_photos(said, classifier, examples, photos, listing)
            path = f"{tables.new_name('evaluation')}/evaluation.json"
            store.folder.write(path, _json(evaluation))
            draft = replace(store.current(), evaluation=path)
        commit(spark, store, draft, progress)
        reported(spark, store, progress)
    return Evaluated(evaluation, said)


def predict(
    spark: "SparkSession",
    results: str,
    photos: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> pa.Table:
    """What each photo of a folder shows: path, reason (why there is no answer), sure, and the top
    five as answer_1, probability_1 …, sorted by path.

    Raises:
        FruitsError: there is no classifier, or no photo.
    """
    store = open_results(results)
    classifier = load_classifier(store)
    with spark_errors():
        said, _ = answer(spark, store, classifier, photos, settings, progress or Progress())
    columns = {name: said[name] for name in ("path", "reason", "sure")}
    for i in range(min(len(classifier.labels), TOP)):
        for name, of in (("answer", "answers"), ("probability", "probabilities")):
            columns[f"{name}_{i + 1}"] = pc.list_element(said[of], i)
    return pa.table(columns)


def cross_validate(results: str) -> "Evaluated":
    """What classifiers that have not seen a photo's like say of it: the same as in training, photo
    by photo, from what is stored, without Spark.

    Raises:
        FruitsError: there is no classifier.
    """
    store = open_results(results)
    labels = list(load_classifier(store).labels)
    examples = Examples.of(read_examples(store))
    validation = training.validate(examples, labels)
    judged = validation.judged
    names, rows = np.array(labels, object), validation.rows.tolist()
    said = answers_of(validation.cosines, validation.temperature, -1, 0)
    columns = [
        [examples.paths[row] for row in rows],
        names[validation.truth].tolist(),
        pa.nulls(len(rows), pa.string()),
        names[said.top].tolist(),
        said.probabilities.tolist(),
        judged.sure.tolist(),
        pa.nulls(len(rows), pa.string()),
    ]
    measures = of_validation(examples, validation, labels)
    return Evaluated(measures, pa.table(columns, schema=SCHEMA))


@dataclass(frozen=True)
class Evaluated:
    """`measures` as `fruits evaluate --json` prints them; `photos`: path, label, answers,
    probabilities, sure, reason of each."""

    measures: dict[str, Any]
    photos: pa.Table


# Training --------------------------------------------------------------------------------------


def fitted(spark: "SparkSession", store: Results, draft: Manifest, views: int) -> Manifest:
    """The draft with a classifier of its features, or of its views.

    Raises:
        ClassifyError: they don't allow one.
    """
    labels = _labels(draft)
    trained_on = "views" if views > 1 and draft.views else "features"
    trained = getattr(draft, trained_on)
    examples = _examples(store, trained, draft)
    some = Examples.of(store.read(examples))
    validation = training.validate(some, labels)
    sums = training.sums_of(spark, store.folder, trained, labels)
    classifier = training.fit(sums, labels, validation, views, draft.model["sha256"])
    path = f"{tables.new_name('models')}/classifier"
    training.as_spark_ml(spark, classifier).write().save(store.folder.uri(path))
    store.folder.write(f"{path}.npz", classifier.to_bytes())
    evaluation = of_validation(some, validation, labels)
    store.folder.write(f"{path}.json", _json(evaluation))
    photos = int(sums.counts.sum())
    return replace(
        draft,
        models={**draft.models, "classifier": path},
        examples=examples,
        classifier=_facts(classifier, validation, trained_on, photos, evaluation),
        evaluation=None,
    )


def _labels(draft: Manifest) -> list[str]:
    """The labels to tell apart, sorted."""
    labels = sorted(label for label in draft.labels if label)
    if len(labels) < 2:
        found = f"only {labels[0]}" if labels else "none"
        raise ClassifyError(
            f"a classifier needs two labels or more, and there is {found}: put the photos of each "
            "kind into a folder of its own, and run again"
        )
    return labels


def _with_views(
    spark: "SparkSession",
    store: Results,
    draft: Manifest,
    settings: Settings,
    views: int | None,
    progress: Progress,
) -> tuple[Manifest, int]:
    """The draft with views of all labelled photos, and how many views there are to train on."""
    labelled = sum(count for label, count in draft.labels.items() if label)
    if views == 1 or (views is None and labelled > _VIEWS_UP_TO):
        return draft, 1
    try:
        return _viewed(spark, store, draft, settings, progress), VIEWS
    except (StorageError, PhotosError) as error:
        if views:
            raise
        progress.say(f"Training on the stored features alone, as {error}.")
        return draft, 1


def _viewed(
    spark: "SparkSession", store: Results, draft: Manifest, settings: Settings, progress: Progress
) -> Manifest:
    """Features of views, made for the photos that have none yet."""
    keys = Keys.of(store.folder, draft.features, KEYS).rows
    labelled = keys.filter(keys["label"].is_valid())
    model, settings = as_made(draft, settings)
    made = made_with(model, settings, VIEWS)
    plan = Plan.of(store, "views", labelled, made)
    if plan.same and not plan.todo.num_rows:
        return draft
    folder = open_folder(draft.photos)
    if plan.todo.num_rows:
        folder.check_there()
    done = spark.sparkContext.accumulator(0)
    with progress.step("views", len(plan.todo), lambda: int(done.value)):
        # Sizes are not known; about the same, let us say.
        columns = [*plan.todo.columns, np.zeros(len(plan.todo), int), pa.nulls(len(plan.todo))]
        todo = pa.table(columns, names=LISTED.names).cast(LISTED)
        writer = Writer(store.folder, "views", made)
        new = extract.store(spark, todo, folder, model, settings, writer, views=VIEWS, done=done)
        old, adopted = plan.carried_out(spark, store.folder, "views")
    if not plan.kept + new.rows:
        raise PhotosError(f"none of the photos in {draft.photos} can be read any more")
    if lost := new.rejects.num_rows:
        progress.say(f"{lost} photos can't be read any more, and are left out.")
    return replace(draft, views=[*old, *adopted, *new.files])


def _examples(store: Results, trained: list[str], draft: Manifest) -> list[str]:
    """The files of at most 20,000 of these rows, as many of each label as there can be."""
    counts = [count for label, count in draft.labels.items() if label]
    if sum(counts) <= _EXAMPLES:
        return trained
    each = max(n for n in range(1, _EXAMPLES + 1) if sum(min(n, c) for c in counts) <= _EXAMPLES)
    keys = Keys.of(store.folder, trained, KEYS)
    order = np.argsort([crc32(path.encode()) for path in keys.rows["path"].to_pylist()])
    chosen = np.zeros(len(order), bool)
    taken: Counter[str | None] = Counter({None: each})  # of photos without label, none
    labels = keys.rows["label"].to_pylist()
    for row in order.tolist():
        chosen[row] = taken[labels[row]] < each
        taken[labels[row]] += 1
    name = tables.new_file("examples")
    tables.write(store.folder, name, keys.read(store.folder, chosen))
    return [name]


def _facts(
    classifier: Classifier,
    validation: training.Validation,
    trained_on: str,
    photos: int,
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """What the manifest says of a classifier."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "trained_on": trained_on,
        "photos": photos,
        "labels": len(classifier.labels),
        "views": classifier.views,
        "shrinkage": validation.shrinkage,
        "temperature": classifier.temperature,
        "min_familiarity": classifier.min_familiarity,
        "min_probability": classifier.min_probability,
        "accuracy": evaluation["accuracy"],
        "accuracy_interval": evaluation["intervals"]["accuracy"],
    }


def _json(measures: dict[str, Any]) -> bytes:
    return (json.dumps(measures, indent=2) + "\n").encode()
