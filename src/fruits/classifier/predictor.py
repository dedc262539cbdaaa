"""One photo at a time, in this process, without Spark: what the command and the page ask."""

import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.classifier.classifier import Classifier, unit
from fruits.errors import ClassifyError, ResultsError
from fruits.model.engine import FILES, Engine, load_engine
from fruits.model.load import FEATURES, Model, load_model
from fruits.photos.decode import prepare_views
from fruits.results import open_results
from fruits.results.manifest import MADE_WITH, Manifest
from fruits.results.store import Results
from fruits.settings import Settings, load


@dataclass(frozen=True)
class Answer:
    """What a photo shows, as far as the classifier can tell."""

    top: list[tuple[str, float]]  # labels with their probability, the most probable first
    sure: bool  # False: not to be relied on
    familiar: bool  # False: the photo is like nothing that was trained on, hence not sure
    features: NDArray[np.float32]  # [1280], for `Recogniser.nearest`

    @property
    def label(self) -> str:
        """The most probable one."""
        return self.top[0][0]

    @property
    def probability(self) -> float:
        """Of `label`."""
        return self.top[0][1]


def load_classifier(store: Results) -> Classifier:
    """The classifier of some results.

    Raises:
        ClassifyError: none was trained.
        ResultsError: it was trained on features of other weights.
    """
    manifest = store.current()
    if not (path := manifest.models.get("classifier")):
        raise ClassifyError(
            f"no classifier was trained in {store.folder.address}: "
            f"say `fruits train {store.folder.address}`"
        )
    data = store.folder.read_if_there(f"{path}.npz")
    if data is None:
        raise ResultsError(f"{store.folder.address} has lost its classifier: train it again")
    classifier = Classifier.from_bytes(data)
    if classifier.sha256 != manifest.model["sha256"]:
        raise ResultsError(
            f"the classifier in {store.folder.address} was trained on features of other weights "
            f"than {manifest.model['name']}: train it again"
        )
    return classifier


def read_measures(store: Results, *, photos: bool) -> dict[str, Any] | None:
    """The measures (see `classify.evaluate`) on the last folder of photos that was given, or those
    of the cross-validation in training; None where there are none."""
    manifest = store.current()
    trained = manifest.models.get("classifier")
    path = manifest.evaluation if photos else f"{trained}.json" if trained else None
    data = store.folder.read_if_there(path) if path else None
    found: dict[str, Any] | None = json.loads(data) if data else None
    return found


def as_made(manifest: Manifest, settings: Settings) -> tuple[Model, Settings]:
    """The model that results were made with, and `settings` with what else they were made with.

    Raises:
        WeightsError: its weights can't be had.
        ResultsError: the weights of that name are others now.
    """
    model = load_model(manifest.weights, settings.cache, FILES[manifest.engine], lambda _: None)
    if model.sha256 != manifest.model["sha256"]:
        raise ResultsError(
            f"the weights {model.name} are not those that the results were made with "
            f"(sha256 {manifest.model['sha256'][:12]}…): give the cache that holds them by --cache"
        )
    return model, replace(settings, **{name: getattr(manifest, name) for name in MADE_WITH})


class Recogniser:
    """A classifier with all it needs, loaded once; not shared between threads.

    `settings` None: those of the environment and the TOML file.

    Raises:
        FruitsError: as `load_classifier` and `as_made`; or the engine can't be had here.
    """

    def __init__(self, results: str, settings: Settings | None = None):
        settings = settings or load()
        self.store = open_results(results)
        self.manifest = self.store.current()
        self.classifier = load_classifier(self.store)
        self._max_pixels = settings.max_megapixels * 1_000_000
        model, settings = as_made(self.manifest, settings)
        self._engine: Engine = load_engine(
            settings.engine, model, settings.precision, os.cpu_count() or 1
        )

    def answer(self, photo: bytes) -> Answer:
        """What a photo shows.

        Raises:
            PhotoError: it is no picture that can be used; the message says why.
        """
        exact = self.manifest.decode == "exact"
        views = prepare_views(photo, self._max_pixels, self.classifier.views, exact=exact)
        features = self._engine.features(views).mean(axis=0)
        said = self.classifier.answers(features[None])
        names = [self.classifier.labels[i] for i in said.top[0]]
        top = list(zip(names, said.probabilities[0].tolist(), strict=True))
        familiar = bool(said.familiarity[0] >= self.classifier.min_familiarity)
        return Answer(top, bool(said.sure[0]), familiar, features)

    def nearest(self, answer: Answer, count: int) -> list[tuple[str, str]]:
        """(path, label) of the photos trained on that are most alike, the nearest first."""
        examples, features = self._examples
        nearness = features @ unit(answer.features[None])[0]
        order = np.argsort(-nearness, kind="stable")[:count].tolist()
        rows = examples.take(order)
        return list(zip(rows["path"].to_pylist(), rows["label"].to_pylist(), strict=True))

    @cached_property
    def _examples(self) -> tuple[pa.Table, NDArray[np.float32]]:
        table = read_examples(self.store)
        features = table["features"].combine_chunks().flatten().to_numpy()
        return table.select(["path", "label"]), unit(features.reshape(len(table), FEATURES))


def read_examples(store: Results) -> pa.Table:
    """path, label, features of the photos with a label that the classifier was trained on (or an
    even sample of them), sorted by path; read without Spark."""
    if not (files := store.current().examples):
        return _SCHEMA.empty_table()
    table = store.read(files, _SCHEMA.names).cast(_SCHEMA)
    return table.filter(table["label"].is_valid()).sort_by("path")


_SCHEMA = pa.schema(
    [("path", pa.string()), ("label", pa.string()), ("features", pa.list_(pa.float32()))]
)
