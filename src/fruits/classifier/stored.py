"""Reads the classifier of a results folder, its examples and its evaluation."""

import numpy as np

from fruits.classifier.classifier import Classifier
from fruits.classifier.evaluation import Evaluation
from fruits.classifier.examples import Examples
from fruits.errors import ClassifyError, ResultsError
from fruits.model.load import FEATURES
from fruits.results.store import Results


def load_classifier(store: Results) -> Classifier:
    """The classifier of a results folder.

    Raises:
        ClassifyError: no classifier was trained.
        ResultsError: it is missing, damaged, or was trained on features of other weights.
    """
    manifest = store.current()
    data = store.folder.read_if_there(f"{_path(store)}.npz")
    if data is None:
        raise ResultsError(f"the classifier in {store.folder.address} is missing: train it again")
    classifier = Classifier.from_bytes(data)
    if classifier.sha256 != manifest.model["sha256"]:
        raise ResultsError(
            f"the classifier in {store.folder.address} was trained on features of other weights "
            f"than {manifest.model['name']}: train it again"
        )
    return classifier


def read_evaluation(store: Results) -> Evaluation | None:
    """The latest evaluation on a folder of photos; None if there was none since training."""
    path = store.current().evaluation
    data = store.folder.read_if_there(path) if path else None
    return Evaluation.from_json(data) if data else None


def read_validation(store: Results) -> Evaluation:
    """The evaluation by cross-validation during training.

    Raises:
        ClassifyError: no classifier was trained.
        ResultsError: its evaluation is missing.
    """
    data = store.folder.read_if_there(f"{_path(store)}.json")
    if data is None:
        raise ResultsError(f"the evaluation in {store.folder.address} is missing: train again")
    return Evaluation.from_json(data)


def read_examples(store: Results) -> Examples:
    """The photos that the classifier was trained on, or a balanced sample of them.

    Sorted by path; read without Spark.
    """
    if not (files := store.current().examples):
        return Examples([], [], np.zeros((0, FEATURES), np.float32))  # photos were erased
    return Examples.of(store.read(files, ["path", "label", "features"]))


def _path(store: Results) -> str:
    if path := store.current().models.get("classifier"):
        return path
    raise ClassifyError(
        f"no classifier was trained in {store.folder.address}: "
        f"run `fruits train {store.folder.address}`"
    )
