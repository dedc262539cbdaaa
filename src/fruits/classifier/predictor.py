"""Predictions for one photo at a time, in this process and without Spark.

Used by the command and the web page.
"""

import os
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fruits.classifier.classifier import directions_of
from fruits.classifier.examples import Examples
from fruits.classifier.stored import load_classifier, read_examples
from fruits.features.provenance import load_model_of
from fruits.model.engine import Engine, described, load_engine
from fruits.photos.decode import prepare_views
from fruits.results import open_results
from fruits.settings import Settings, load


@dataclass(frozen=True)
class Prediction:
    """The prediction for one photo."""

    top: list[tuple[str, float]]  # labels with their probabilities, the most probable first
    confident: bool  # whether to rely on the prediction
    in_distribution: bool  # False if the photo is unlike any training photo
    features: NDArray[np.float32]  # [1280] or [2816], for `Predictor.nearest`

    @property
    def label(self) -> str:
        """The most probable label."""
        return self.top[0][0]

    @property
    def probability(self) -> float:
        """The probability of `label`."""
        return self.top[0][1]


class Predictor:
    """A classifier with its model and engine, loaded once; not thread-safe.

    If `settings` is None, they are read from the environment and the TOML file.

    Raises:
        FruitsError: as `load_classifier` and `load_model_of`, or if the engine is not available
            on this machine.
    """

    def __init__(self, results: str, settings: Settings | None = None):
        settings = settings or load()
        self.store = open_results(results)
        self.manifest = self.store.current()
        self.classifier = load_classifier(self.store)
        self._max_pixels = settings.max_pixels
        model, settings = load_model_of(self.manifest, settings)
        self._engine: Engine = load_engine(
            settings.engine, model, settings.precision, os.cpu_count() or 1
        )

    def predict(self, photo: bytes) -> Prediction:
        """Predicts what a photo shows, given its bytes.

        Raises:
            PhotoError: it is not a usable image; the message says why.
        """
        views = prepare_views(photo, self._max_pixels, self.classifier.views, self.manifest.decode)
        features = described(self._engine, views[None], depths=self.classifier.depths)
        predictions = self.classifier.predict(features)
        names = [self.classifier.labels[i] for i in predictions.top[0]]
        top = list(zip(names, predictions.probabilities[0].tolist(), strict=True))
        in_distribution = bool(predictions.similarity[0] >= self.classifier.min_similarity)
        return Prediction(top, bool(predictions.confident[0]), in_distribution, features[0])

    def nearest(self, prediction: Prediction, count: int) -> list[tuple[str, str]]:
        """(path, label) of the most similar examples, the nearest first; [] if all are erased."""
        examples = self._examples
        if not examples.paths:
            return []
        cosines = examples.features @ directions_of(prediction.features[None])[0]
        order = np.argsort(-cosines, kind="stable")[:count].tolist()
        return [(examples.paths[i], examples.labels[i]) for i in order]

    @cached_property
    def _examples(self) -> Examples:
        examples = read_examples(self.store)
        return replace(examples, features=directions_of(examples.features))
