"""What Keras computes of a sample of real photos, once for all tests that compare with it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from once import made_once

from fruits.model.load import load_model
from fruits.settings import Settings

PHOTOS = 220


def sample(real_photos: Path) -> list[Path]:
    """At least 200 real photos from all labels."""
    photos = sorted(real_photos.rglob("*.jpg"))
    chosen = photos[:: max(1, len(photos) // PHOTOS)]
    assert len(chosen) >= 200
    return chosen


def depths_by_keras(
    photos: list[Path], settings: Settings, folders: pytest.TempPathFactory, worker: str
) -> NDArray[np.float32]:
    """Averages of three layers [n, 2816], computed by Keras, which also loads the photos."""

    def make(home: Path) -> None:
        np.save(home / "depths.npy", _compute(photos, settings, home / "trunk.weights.h5"))

    depths: NDArray[np.float32] = np.load(
        made_once(folders, "by_keras", make, worker) / "depths.npy"
    )
    return depths


def _compute(photos: list[Path], settings: Settings, weights: Path) -> NDArray[np.float32]:
    import keras
    from keras.applications.mobilenet_v2 import MobileNetV2, preprocess_input

    weights.write_bytes(load_model(settings.weights, settings.cache).files["trunk.weights.h5"])
    trunk = MobileNetV2(include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3))
    trunk.load_weights(weights)
    layers = [trunk.get_layer(f"block_{number}_expand_relu").output for number in (13, 16)]
    reference = keras.Model(trunk.input, [*layers, trunk.output])
    pictures = [
        keras.utils.img_to_array(
            keras.utils.load_img(path, target_size=(224, 224), interpolation="bicubic")
        )
        for path in photos
    ]
    *maps, averages = reference.predict(preprocess_input(np.stack(pictures)), verbose=0)
    return np.concatenate([*(layer.mean(axis=(1, 2)) for layer in maps), averages], axis=1)
