"""Train, evaluate and predict: the commands that turn stored features into labels."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fruits.classifier.classifier import TOP, predictions_of
from fruits.classifier.evaluate import evaluate_photos, evaluate_validation
from fruits.classifier.evaluation import Evaluation
from fruits.classifier.fit import validate
from fruits.classifier.predict import SCHEMA, predict_folder
from fruits.classifier.stored import load_classifier, read_examples
from fruits.classifier.train import labels_to_tell_apart, train_on_results
from fruits.errors import ClassifyError, PhotosError, SettingsError, StorageError
from fruits.features.provenance import load_model_of
from fruits.features.update import update_views
from fruits.photos.decode import VIEWS
from fruits.photos.labels import RULES
from fruits.progress import Progress
from fruits.report.write import write_report
from fruits.results import open_results, tables
from fruits.results.manifest import Manifest
from fruits.results.store import Results
from fruits.results.writing import commit, writing
from fruits.session import spark_errors
from fruits.settings import Settings
from fruits.storage import open_folder
from fruits.suspects.update import update_suspects

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_VIEWS_UP_TO = 5_000
"""The maximum number of photos for which views are used by default: they take a minute or two on
two cores."""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation and the predictions it was computed from."""

    evaluation: Evaluation
    photos: pa.Table
    """One row per photo: path, label, predictions, probabilities, confident, reason."""


def train(
    spark: "SparkSession",
    results: str,
    settings: Settings = Settings(),
    views: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Trains a classifier on stored features, cross-validates it, and writes the report.

    With `views` 1, it trains on the stored features. With 6, it trains on the mean over the whole
    photo, its corners and its centre, for which the photos are read again; these features are
    stored, so the next training only reads new photos. None means 6 for up to 5,000 photos that
    can be read, else 1.

    Raises:
        FruitsError: an error that the user can fix; `results` is left unchanged.
    """
    progress = progress or Progress()
    with writing(results) as store, spark_errors(results):
        pending = store.current()
        labels_to_tell_apart(pending.labels)  # fail before photos are read
        pending, views = _with_views(spark, store, pending, settings, views, progress)
        with progress.step("train") as count:
            pending = train_on_results(spark, store, pending, views, count)
        pending = update_suspects(store, pending, settings, progress)
        commit(spark, store, pending, progress, spent="views")
        write_report(store, settings, progress)
    return store.current()


def evaluate(
    spark: "SparkSession",
    results: str,
    photos: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
    *,
    split: str | None = None,
) -> Evaluated:
    """Evaluates the classifier on a folder of unseen photos, and stores this for the report.

    The true labels of photos are found as those of the results, or as `settings` say. Photos with
    labels that the classifier doesn't know are counted separately: their predictions should not be
    confident. With `split`, only photos in folders of that split (train, valid or test) are used.

    Raises:
        FruitsError: there is no classifier, or no photo with a label that it knows.
    """
    progress = progress or Progress()
    with writing(results) as store, spark_errors(results):
        classifier = load_classifier(store)
        examples = read_examples(store)
        if not examples.paths:
            address = store.folder.address
            raise ClassifyError(
                f"the photos that the classifier in {address} was trained on are gone: "
                f"run `fruits train {address}` first"
            )
        settings = _with_labels(store.current(), photos, settings)
        if _trained_on(store.current(), photos, split):
            progress.say("The classifier was trained on these photos: expect metrics too good.")
        predicted, listing = predict_folder(
            spark, store, classifier, photos, settings, progress, examples, split
        )
        with progress.step("evaluate"):
            evaluation = evaluate_photos(predicted, classifier, examples, photos, listing)
            path = f"{tables.new_name('evaluation')}/evaluation.json"
            store.folder.write(path, evaluation.to_json().encode())
            pending = replace(store.current(), evaluation=path)
        commit(spark, store, pending, progress)
        write_report(store, settings, progress)
    return Evaluated(evaluation, predicted)


def predict(
    spark: "SparkSession",
    results: str,
    photos: str,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> pa.Table:
    """Predictions for each photo of a folder, sorted by path.

    The columns are path, reason (why there is no prediction), confident, and the top five labels
    as label_1, probability_1 …

    Raises:
        FruitsError: there is no classifier, or there are no photos.
    """
    store = open_results(results)
    classifier = load_classifier(store)
    progress = progress or Progress()
    with spark_errors(results):
        predicted, _ = predict_folder(spark, store, classifier, photos, settings, progress)
    columns = {name: predicted[name] for name in ("path", "reason", "confident")}
    for i in range(min(len(classifier.labels), TOP)):
        for name, of in (("label", "predictions"), ("probability", "probabilities")):
            columns[f"{name}_{i + 1}"] = pc.list_element(predicted[of], i)
    return pa.table(columns)


def cross_validate(results: str) -> Evaluated:
    """Repeats the cross-validation of training without Spark, with predictions for each photo.

    Each photo is predicted by a classifier that was fitted without the photo's cluster.

    Raises:
        FruitsError: there is no classifier.
    """
    store = open_results(results)
    labels = list(load_classifier(store).labels)
    examples = read_examples(store)
    validation = validate(examples, labels)
    names, rows = np.array(labels, object), validation.rows.tolist()
    predicted = predictions_of(validation.cosines, validation.temperature, -1, 0)
    columns = [
        [examples.paths[row] for row in rows],
        names[validation.truth].tolist(),
        pa.nulls(len(rows), pa.string()),
        names[predicted.top].tolist(),
        predicted.probabilities.tolist(),
        validation.predictions.confident.tolist(),
        pa.nulls(len(rows), pa.string()),
    ]
    evaluation = evaluate_validation(examples, validation, labels)
    return Evaluated(evaluation, pa.table(columns, schema=SCHEMA))


def _with_labels(manifest: Manifest, photos: str, settings: Settings) -> Settings:
    """`settings` with labels as in the results, unless they say how."""
    former = manifest.labels_from
    if settings.labels or former == "folder":
        return settings
    if former not in RULES and open_folder(photos).address != manifest.photos:
        raise SettingsError(
            f"the labels of the results are from {former}: use --labels to say which labels "
            f"the photos in {photos} have"
        )
    return replace(settings, labels=former)


def _trained_on(manifest: Manifest, photos: str, split: str | None) -> bool:
    """Whether the classifier was trained on photos of this folder, or of this split of it."""
    held_out = split == "test" and manifest.classifier and manifest.classifier.held_out
    return open_folder(photos).address == manifest.photos and not held_out


def _with_views(
    spark: "SparkSession",
    store: Results,
    pending: Manifest,
    settings: Settings,
    views: int | None,
    progress: Progress,
) -> tuple[Manifest, int]:
    """The pending manifest with views of all labelled photos, and the number of views to use."""
    labelled = sum(count for label, count in pending.labels.items() if label)
    if views == 1 or (views is None and labelled > _VIEWS_UP_TO):
        return pending, 1
    try:
        model, settings = load_model_of(pending, settings)
        files = update_views(spark, store, model, settings, VIEWS, progress)
        return replace(pending, views=files), VIEWS
    except (StorageError, PhotosError) as error:
        if views:
            raise
        progress.say(f"Training on the stored features alone: {error}.")
        return pending, 1
