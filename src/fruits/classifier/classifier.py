"""A trained classifier: features -> labels, their probabilities, and whether to rely on them.

All of it is numpy, the same in a Spark worker, in the command and in the page's server. How it is
trained: `fit.py`.
"""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fruits.errors import ResultsError

TOP = 5
"""How many labels a prediction names."""


@dataclass(frozen=True)
class Predictions:
    """Of n photos; the most probable label comes first."""

    top: NDArray[np.int64]  # [n, up to 5] positions in `Classifier.labels`
    probabilities: NDArray[np.float64]  # [n, up to 5]
    similarity: NDArray[np.float64]  # [n] the cosine to the nearest label
    confident: NDArray[np.bool_]  # [n] whether to rely on it


@dataclass(frozen=True)
class Classifier:
    """The cosine, in a space where photos of one label vary alike in all directions, between a
    photo and the mean of each label."""

    labels: tuple[str, ...]
    mean: NDArray[np.float32]  # [d] of the labels' means, of features of length 1
    whitening: NDArray[np.float32]  # [d, d]
    directions: NDArray[np.float32]  # [labels, d] of length 1: the labels' means, whitened
    temperature: float  # what cosines are divided by, so that probabilities are honest
    min_similarity: float  # with less, the photo is like nothing that was trained on
    min_probability: float  # with less, the labels are too close to each other
    views: int  # of each photo, whose mean the features are
    sha256: str  # of the weights that the features were made with

    def cosines(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """[n, d] -> [n, labels]; the softmax of these by `temperature` is the probabilities."""
        whitened = unit((unit(features) - self.mean) @ self.whitening)
        return np.asarray(whitened @ self.directions.T, np.float64)

    def predict(self, features: NDArray[np.floating[Any]]) -> Predictions:
        """Of n photos with features [n, d]."""
        return predictions_of(
            self.cosines(features), self.temperature, self.min_similarity, self.min_probability
        )

    def to_bytes(self) -> bytes:
        """For `from_bytes`: an .npz without pickles."""
        out = io.BytesIO()
        metadata = {
            name: getattr(self, name)
            for name in (
                "labels",
                "temperature",
                "min_similarity",
                "min_probability",
                "views",
                "sha256",
            )
        }
        np.savez(
            out,
            mean=self.mean,
            whitening=self.whitening,
            directions=self.directions,
            facts=np.frombuffer(json.dumps(metadata).encode(), np.uint8),
        )
        return out.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> "Classifier":
        """Raises ResultsError where the bytes are not those of `to_bytes`."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                metadata = json.loads(file["facts"].tobytes())
                if "min_familiarity" in metadata:  # its name in version 0.1.0
                    metadata["min_similarity"] = metadata.pop("min_familiarity")
                metadata["labels"] = tuple(metadata["labels"])
                arrays = {name: file[name] for name in ("mean", "whitening", "directions")}
                return Classifier(**arrays, **metadata)
        except Exception as error:
            raise ResultsError(f"the classifier is damaged ({error}): train it again") from None


def unit(features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """[n, d] -> the same rows, of length 1."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(length, 1e-12), np.float32)


def predictions_of(
    cosines: NDArray[np.float64],
    temperature: float,
    min_similarity: float,
    min_probability: float,
) -> Predictions:
    """[n, labels] cosines -> the predictions of n photos."""
    scores = cosines / temperature
    top = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    total = log_sum_exp(scores)[:, None]
    probabilities = np.exp(np.take_along_axis(scores, top, axis=1) - total)
    similarity = cosines.max(axis=1)
    confident = (similarity >= min_similarity) & (probabilities[:, 0] >= min_probability)
    return Predictions(top, probabilities, similarity, confident)


def log_sum_exp(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, labels] -> [n], without overflow."""
    largest = scores.max(axis=1)
    total: NDArray[np.float64] = largest + np.log(np.exp(scores - largest[:, None]).sum(axis=1))
    return total
