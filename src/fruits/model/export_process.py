"""The process that exports a model: reads weights, writes what the engines read, and checks it.

`export.py` starts it, without the environment of its caller.
"""

import importlib.metadata
import json
import tempfile
from pathlib import Path

import numpy as np

from fruits.errors import EngineError, FruitsError, WeightsError
from fruits.model.engine import load_engine
from fruits.model.export import EXPORTED, FORMAT, RECORD
from fruits.model.frameworks import build, import_openvino, probes, with_depths
from fruits.model.keras_files import read_trunk
from fruits.model.load import Model
from fruits.model.weights import sha256_of

_MADE_WITH = ("keras", "tensorflow", "tensorflow-cpu", "openvino")


def main(source: str, member: str | None, folder: str, answer: str) -> None:
    """Exports the weights in the file `source` (or its `member`) to `folder`.

    Writes the message of an error that the user can fix to the file `answer`.
    """
    try:
        export_to(Path(folder), Path(source), member)
    except FruitsError as error:
        Path(answer).write_text(str(error))


def export_to(folder: Path, source: Path, member: str | None) -> None:
    """Writes the files of EXPORTED and RECORD.

    Raises:
        WeightsError: the file is not usable, or the exported files do not give Keras' features.
    """
    trunk = read_trunk(source, member)  # before Keras is imported, which takes seconds
    model = build()
    for name, values in trunk.items():
        model.get_layer(name).set_weights(values)
    network = with_depths(model)
    features = np.asarray(network.predict_on_batch(probes()), np.float32)
    if not np.isfinite(features).all():
        raise WeightsError(
            f"{source} has a MobileNetV2 whose features are not finite: training diverged"
        )
    np.save(folder / "features.npy", features)
    model.save_weights(folder / "trunk.weights.h5")
    openvino = import_openvino()
    with tempfile.TemporaryDirectory() as saved:
        network.export(saved, format="tf_saved_model", verbose=False)
        converted = openvino.Core().read_model(saved)
        openvino.save_model(converted, folder / "model.xml", compress_to_fp16=False)
    files = {name: (folder / name).read_bytes() for name in EXPORTED}
    for engine in ("openvino", "tensorflow"):
        exported = Model(source.name, "", str(source), files)
        try:
            load_engine(engine, exported, "float32", threads=1)  # compares the features
        except EngineError as error:
            raise WeightsError(f"the exported model is wrong, so it is not kept: {error}") from None
    record = {
        "format": FORMAT,
        "made_with": {name: version for name in _MADE_WITH if (version := _version(name))},
        **{name: sha256_of(folder / name) for name in EXPORTED},
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
