"""A trained classifier: features -> labels, their probabilities, and whether to rely on them.

It is pure numpy, so it runs the same in a Spark worker, the command and the web server. See
`fit.py` for training.
"""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fruits.errors import ResultsError
from fruits.model.load import DEPTHS

TOP = 5
"""Number of labels in a prediction."""


@dataclass(frozen=True)
class Predictions:
    """Predictions for n photos, with the most probable label first."""

    top: NDArray[np.int64]  # [n, up to 5] positions in `Classifier.labels`
    probabilities: NDArray[np.float64]  # [n, up to 5]
    similarity: NDArray[np.float64]  # [n] the cosine to the nearest label
    confident: NDArray[np.bool_]  # [n] whether to rely on the prediction


@dataclass(frozen=True)
class Space:
    """The features of one depth of the network, whitened.

    In that space, photos of one label vary equally in all directions.
    """

    mean: NDArray[np.float32]  # [d] mean of the label means, for features of length 1
    whitening: NDArray[np.float32]  # [d, d]
    directions: NDArray[np.float32]  # [labels, d] whitened label means, of length 1

    def cosines(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """[n, d] -> [n, labels]"""
        whitened = unit((unit(features) - self.mean) @ self.whitening)
        return np.asarray(whitened @ self.directions.T, np.float64)


@dataclass(frozen=True)
class Classifier:
    """Scores each label by the cosine between a photo and the label's mean in whitened space.

    With features of several depths of the network, the score is the mean of their cosines.
    """

    labels: tuple[str, ...]
    spaces: tuple[Space, ...]  # for the features of the last layer, or of three depths
    temperature: float  # divides the cosines, to calibrate the probabilities
    min_similarity: float  # below this, the photo is unlike any training photo
    min_probability: float  # below this, the top labels are too close to call
    views: int  # number of views per photo that the features are averaged over
    sha256: str  # of the weights that the features were computed with
    names: tuple[str, ...] = ()  # of `labels`, to be shown without their folders

    def name(self, label: str) -> str:
        """The name of a label that can be read without its folders, as `Apple (Green)`."""
        return dict(zip(self.labels, self.names, strict=False)).get(label, label)

    @property
    def depths(self) -> bool:
        """Whether it reads three depths of the network (see `engine.described`)."""
        return len(self.spaces) > 1

    def cosines(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """[n, d] -> [n, labels]; their softmax with `temperature` gives the probabilities."""
        pairs = zip(self.spaces, parts(features), strict=True)
        cosines: NDArray[np.float64] = np.mean([s.cosines(part) for s, part in pairs], axis=0)
        return cosines

    def predict(self, features: NDArray[np.floating[Any]]) -> Predictions:
        """Predictions for n photos with features [n, d]."""
        return predictions_of(
            self.cosines(features), self.temperature, self.min_similarity, self.min_probability
        )

    def to_bytes(self) -> bytes:
        """Serializes to an .npz file without pickles; the inverse of `from_bytes`."""
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
                "names",
            )
        }
        arrays = {
            f"{name}_{i}": a for i, s in enumerate(self.spaces) for name, a in vars(s).items()
        }
        facts = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
        np.savez(out, allow_pickle=False, facts=facts, **arrays)
        return out.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> "Classifier":
        """Deserializes the output of `to_bytes`.

        Raises:
            ResultsError: the bytes are damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                metadata = json.loads(file["facts"].tobytes())
                if "min_familiarity" in metadata:  # its name in version 0.1.0
                    metadata["min_similarity"] = metadata.pop("min_familiarity")
                for name in ("labels", "names"):  # classifiers of version 0.1.0 have no names
                    metadata[name] = tuple(metadata.get(name, ()))
                # Classifiers of version 0.1.0 have one space, in names without a number.
                ends = [""] if "mean" in file else [f"_{i}" for i in range(len(file.files) // 3)]
                names = ("mean", "whitening", "directions")
                spaces = tuple(Space(*(file[f"{name}{end}"] for name in names)) for end in ends)
                return Classifier(spaces=spaces, **metadata)
        except Exception as error:
            raise ResultsError(f"the classifier is damaged ({error}): train it again") from None


def parts(features: NDArray[np.floating[Any]]) -> list[NDArray[np.floating[Any]]]:
    """[n, d] -> the columns of each depth: those of three, or of the last layer alone."""
    if features.shape[1] != sum(DEPTHS):
        return [features]
    return np.split(features, np.cumsum(DEPTHS)[:-1], axis=1)


def directions_of(features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """[n, d] -> rows of length 1, in which each depth has the same share.

    Their products are the mean cosines of two photos.
    """
    scaled = [unit(part) for part in parts(features)]
    return np.concatenate(scaled, axis=1) / np.float32(np.sqrt(len(scaled)))


def unit(features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """[n, d] -> the same rows, scaled to length 1."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(length, 1e-12), np.float32)


def predictions_of(
    cosines: NDArray[np.float64],
    temperature: float,
    min_similarity: float,
    min_probability: float,
) -> Predictions:
    """[n, labels] cosines -> predictions for n photos."""
    scores = cosines / temperature
    top = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    total = log_sum_exp(scores)[:, None]
    probabilities = np.exp(np.take_along_axis(scores, top, axis=1) - total)
    similarity = cosines.max(axis=1)
    confident = (similarity >= min_similarity) & (probabilities[:, 0] >= min_probability)
    return Predictions(top, probabilities, similarity, confident)


def log_sum_exp(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, labels] -> [n], computed without overflow."""
    largest = scores.max(axis=1)
    total: NDArray[np.float64] = largest + np.log(np.exp(scores - largest[:, None]).sum(axis=1))
    return total
