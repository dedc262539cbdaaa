"""Predictors for several results folders, and their predictions as shown on the page."""

import base64
from typing import Any

from fruits.classifier.predictor import Prediction, Predictor
from fruits.errors import ClassifyError, FruitsError, PhotoError
from fruits.photos.decode import thumbnail
from fruits.results import open_results
from fruits.settings import Settings
from fruits.storage import open_folder

_NEAREST = 4
_SHOWN = 640  # side of the photo on the page, in pixels
_THUMBNAIL = 200
_LOADED = 3  # classifiers kept in memory, 0.1 to 0.3 GB each
_WORTH_SHOWING = 0.05
"""Minimum probability of a runner-up on the page: below one in twenty it only distracts."""


class Predictors:
    """A cache of the most recently used predictors; not thread-safe."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._max_pixels = settings.max_pixels
        self._loaded: dict[str, Predictor] = {}

    def get(self, results: str) -> Predictor:
        """The predictor for the current classifier of a results folder.

        Raises:
            ClassifyError: no classifier was trained.
        """
        manifest = open_results(results).manifest
        if manifest is None or "classifier" not in manifest.models:
            raise ClassifyError(f"no classifier was trained in {results}")
        predictor = self._loaded.pop(results, None)
        if predictor is None or manifest != predictor.manifest:
            predictor = Predictor(results, self._settings)
        self._loaded[results] = predictor
        while len(self._loaded) > _LOADED:
            self._loaded.pop(next(iter(self._loaded)))
        return predictor

    def predict(self, results: str, photo: bytes) -> dict[str, Any]:
        """The prediction for a photo, as JSON data for the page."""
        predictor = self.get(results)
        prediction = predictor.predict(photo)
        return {
            "confident": prediction.confident,
            "in_distribution": prediction.in_distribution,
            "top": [
                {"label": label, "name": predictor.classifier.name(label), "probability": p}
                for label, p in worth_showing(prediction.top)
            ],
            "photo": _data_uri(thumbnail(photo, _SHOWN, self._max_pixels)),
            "nearest": self._nearest(predictor, prediction),
        }

    def _nearest(self, predictor: Predictor, prediction: Prediction) -> list[dict[str, str]]:
        """The most similar examples whose photos can still be read."""
        shown = []
        try:
            folder = open_folder(predictor.manifest.photos)
            for path, label in predictor.nearest(prediction, _NEAREST):
                try:
                    picture = thumbnail(folder.read(path), _THUMBNAIL, self._max_pixels)
                except PhotoError:
                    continue
                name = predictor.classifier.name(label)
                shown.append({"label": label, "name": name, "photo": _data_uri(picture)})
        except FruitsError:
            pass  # the photos are not accessible from here; show the prediction without them
        return shown


def worth_showing(top: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """The most probable label, and those of the others that may well be right."""
    return top[:1] + [(label, p) for label, p in top[1:] if p >= _WORTH_SHOWING]


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
