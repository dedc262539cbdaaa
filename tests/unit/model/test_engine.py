"""The engines compute the same features as Keras."""

import hashlib
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from keras_features import depths_by_keras, sample
from numpy.typing import NDArray

from fruits.errors import EngineError
from fruits.model import compiled
from fruits.model import engine as engines
from fruits.model.engine import OpenVINO, TensorFlow, described, load_engine
from fruits.model.export import EXPORTED, RECORD
from fruits.model.frameworks import gradient, probes
from fruits.model.load import FEATURES, Model, load_model
from fruits.photos.decode import prepare
from fruits.settings import Settings


@pytest.fixture(scope="module")
def model(settings: Settings) -> Model:
    return load_model(settings.weights, settings.cache)


@pytest.fixture(scope="module")
def paths(real_photos: Path) -> list[Path]:
    return sample(real_photos)


@pytest.fixture(scope="module")
def by_keras(
    paths: list[Path], settings: Settings, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> NDArray[np.float32]:
    return depths_by_keras(paths, settings, tmp_path_factory, worker_id)


@pytest.fixture(scope="module")
def prepared(paths: list[Path]) -> NDArray[np.float32]:
    return np.stack([prepare(path.read_bytes(), 100_000_000) for path in paths])


@pytest.fixture(scope="module")
def by_openvino(prepared: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    return OpenVINO(model, "float32", threads=2).depths(prepared)


def test_openvino_is_within_a_thousandth_of_keras(
    by_keras: NDArray[np.float32], by_openvino: NDArray[np.float32]
) -> None:
    assert by_keras.max() > 1  # real features, not noise around zero
    np.testing.assert_allclose(by_openvino, by_keras, rtol=0, atol=1e-3)


def test_tensorflow_is_within_a_thousandth_of_keras(
    by_keras: NDArray[np.float32], prepared: NDArray[np.float32], model: Model
) -> None:
    depths = TensorFlow(model, threads=2).depths(prepared[:32])
    np.testing.assert_allclose(depths, by_keras[:32], rtol=0, atol=1e-3)


def test_features_are_the_last_depth_and_what_classifiers_read_are_roots_over_views(
    by_openvino: NDArray[np.float32], prepared: NDArray[np.float32], model: Model
) -> None:
    engine = OpenVINO(model, "float32", threads=2)
    assert np.array_equal(engine.features(prepared[:6]), by_openvino[:6, -FEATURES:])
    views = prepared[:6].reshape(2, 3, *prepared.shape[1:])
    features = by_openvino[:6, -FEATURES:].reshape(2, 3, -1).mean(axis=1)
    assert np.array_equal(described(engine, views), features)
    roots = np.sqrt(by_openvino[:6]).reshape(2, 3, -1).mean(axis=1)
    assert np.array_equal(described(engine, views, depths=True), roots)


@pytest.fixture(scope="module")
def by_bf16(prepared: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    """Features in bfloat16, emulated (slowly) if the CPU lacks the instructions."""
    if "avx512bw" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no AVX-512, by which OpenVINO computes or emulates bfloat16")
    return OpenVINO(model, "bf16", threads=2, emulate=True).depths(prepared)


def test_bfloat16_is_close_to_float32(
    by_openvino: NDArray[np.float32], by_bf16: NDArray[np.float32]
) -> None:
    by_openvino, by_bf16 = by_openvino[:, -FEATURES:], by_bf16[:, -FEATURES:]
    cosine = np.sum(by_openvino * by_bf16, axis=1) / (
        np.linalg.norm(by_openvino, axis=1) * np.linalg.norm(by_bf16, axis=1)
    )
    assert cosine.mean() >= 0.995
    assert not np.array_equal(by_openvino, by_bf16)  # really computed in bfloat16


def test_bfloat16_loses_at_most_one_point_of_accuracy(
    paths: list[Path], by_openvino: NDArray[np.float32], by_bf16: NDArray[np.float32]
) -> None:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = [path.parent.name for path in paths]
    accuracy = {}
    for name, features in (("float32", by_openvino), ("bf16", by_bf16)):
        classifier = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1000))
        folds = RepeatedStratifiedKFold(n_splits=4, n_repeats=5, random_state=0)
        accuracy[name] = cross_val_score(classifier, features, labels, cv=folds).mean()
    assert accuracy["float32"] > 3 / len(set(labels))  # clearly better than chance
    assert accuracy["bf16"] >= accuracy["float32"] - 0.01, accuracy


def test_bf16_is_refused_without_cpu_support(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "has_bf16", lambda: False)
    with pytest.raises(EngineError, match="no bfloat16 instructions: use --precision float32"):
        load_engine("openvino", model, "bf16", threads=1)


def test_the_model_is_compiled_once_per_process(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_compiled", {})
    reads: list[int] = []

    def read() -> Model:
        reads.append(1)
        return model

    one = engines.engine_of_this_process("openvino", "float32", model.sha256, read)
    other = engines.engine_of_this_process("openvino", "float32", model.sha256, read)
    assert one is other
    assert len(reads) == 1


@pytest.fixture
def elsewhere(model: Model, tmp_path: Path) -> Model:
    """The same model, exported to a folder in which nothing is kept yet."""
    assert model.folder is not None
    exported = {*EXPORTED, RECORD}
    copytree(model.folder, tmp_path / "model", ignore=lambda _, names: set(names) - exported)
    return replace(model, folder=tmp_path / "model")


def kept_files(model: Model) -> list[Path]:
    assert model.folder is not None
    return sorted(model.folder.glob("openvino-*"))


def test_a_compiled_network_is_kept_and_computes_the_same(elsewhere: Model) -> None:
    first = load_engine("openvino", elsewhere, "float32", threads=1)
    assert isinstance(first, OpenVINO)
    assert not first.was_kept
    assert len(kept_files(elsewhere)) == 1
    again = load_engine("openvino", elsewhere, "float32", threads=1)
    assert isinstance(again, OpenVINO)
    assert again.was_kept
    assert np.array_equal(again.depths(probes()), first.depths(probes()))
    other = load_engine("openvino", elsewhere, "float32", threads=2)
    assert isinstance(other, OpenVINO)
    assert not other.was_kept  # another number of threads


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "no network"])
def test_a_damaged_network_is_compiled_anew(elsewhere: Model, damage: str) -> None:
    load_engine("openvino", elsewhere, "float32", threads=1)
    (path,) = kept_files(elsewhere)
    whole = path.read_bytes()
    nothing = b"nothing" * 9
    path.write_bytes(
        {
            "truncated": whole[:-1],
            "changed": whole[:-99] + bytes([whole[-99] ^ 1]) + whole[-98:],
            "empty": b"",
            "no network": hashlib.sha256(nothing).digest() + nothing,
        }[damage]
    )
    engine = load_engine("openvino", elsewhere, "float32", threads=1)
    assert isinstance(engine, OpenVINO)
    assert not engine.was_kept
    again = load_engine("openvino", elsewhere, "float32", threads=1)
    assert isinstance(again, OpenVINO)
    assert again.was_kept


def test_a_network_is_kept_by_version_cpu_and_instruction_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        compiled.kept_in(tmp_path, version, cpu, options)
        for version in ("1", "2")
        for cpu in ("A", "B")
        for options in ({"threads": 1}, {"threads": 2})
    }
    assert len(names) == 8
    monkeypatch.setattr(compiled, "_instruction_sets", lambda: "flags : sse2")
    assert compiled.kept_in(tmp_path, "1", "A", {"threads": 1}) not in names


def test_nothing_is_kept_that_was_not_checked(
    elsewhere: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "gradient", lambda: gradient() * 2)
    monkeypatch.setattr(engines, "probes", lambda: probes() * 2)
    with pytest.raises(EngineError, match="features here that differ"):
        load_engine("openvino", elsewhere, "float32", threads=1)
    assert not kept_files(elsewhere)
    monkeypatch.undo()
    load_engine("openvino", elsewhere, "float32", threads=1)
    monkeypatch.setattr(engines, "gradient", lambda: gradient() * 2)
    with pytest.raises(EngineError, match="features here that differ"):  # also of a kept one
        load_engine("openvino", elsewhere, "float32", threads=1)


def test_a_cache_that_is_not_writable_or_not_there_keeps_nothing(model: Model) -> None:
    for folder in (Path("/proc/self"), Path("/nowhere"), None):
        engine = load_engine("openvino", replace(model, folder=folder), "float32", threads=1)
        assert isinstance(engine, OpenVINO)
        assert not engine.was_kept
