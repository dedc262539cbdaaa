"""Files that are no Keras file: one line says what they are and what to do."""

import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fruits.errors import WeightsError
from fruits.model.keras_files import read_trunk
from fruits.model.load import load_model


def archive(*members: str) -> bytes:
    """A zip archive with these members."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name in members:
            file.writestr(name, b"{}")
    return data.getvalue()


def tar() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as file:
        file.addfile(tarfile.TarInfo("m.keras"))
    return data.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"features.0.0.weight": {"dtype": "F32"}}).encode()
    return len(header).to_bytes(8, "little") + header


def arrays() -> bytes:
    data = io.BytesIO()
    np.savez(data, kernel=np.zeros(3))
    return data.getvalue()


FILES = {
    "empty.h5": (b"", "is empty: copy it again"),
    "lfs.h5": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "page.h5": (
        b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
        "is a web page: check",
    ),
    "store.h5": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error>',
        "message of a store",
    ),
    "text.h5": (b"no HDF5 at all", "damaged or not a Keras file: pass"),
    "cut.h5": (b"\x89HDF\r\n\x1a\n and then nothing", "is damaged .*: copy it again"),
    "cut.keras": (
        archive("config.json", "model.weights.h5")[:-40],
        "damaged .cut off.*copy it",
    ),
    "empty.keras": (archive("metadata.json", "config.json"), "without model.weights.h5: load it"),
    "npz.keras": (archive("metadata.json", "config.json", "model.weights.npz"), "install h5py"),
    "inner.keras": (archive("config.json", "model.weights.h5"), "is damaged .*copy it again"),
    "photos.zip": (archive("a/b.jpg"), "is an archive, not a Keras file: unpack it"),
    "model.tar": (tar(), "tar archive: unpack it"),
    "model.h5.gz": (b"\x1f\x8b\x08\0", "is compressed: decompress it"),
    "model.tflite": (b"\x1c\0\0\0TFL3", "TensorFlow Lite model.*pass the Keras model"),
    "unnamed": (b"\x1c\0\0\0TFL3", "TensorFlow Lite model.*pass the Keras model"),
    "model.onnx": (b"\x08\x07\x12\x07pytorch", "ONNX model.*pass the Keras model"),
    "model.pt": (archive("model/data.pkl", "model/version"), "PyTorch file.*pass a Keras file"),
    "pytorch_model.bin": (archive("archive/data.pkl"), "PyTorch file.*pass a Keras file"),
    "old.pth": (pickle.dumps({"features.0.0.weight": 1}), "pickle.*pass a Keras file"),
    "model.safetensors": (safetensors(), "PyTorch file.*pass a Keras file"),
    "weights.npz": (arrays(), "NumPy arrays: load it where it was made"),
    "model.json": (b'{"class_name": "Functional"}', "architecture without weights: load it"),
    "model.yaml": (b"class_name: Functional", "architecture without weights: load it"),
    "model.weights.json": (b'{"weight_map": {}}', "index of weights in several files"),
    "saved_model.pb": (b"\x08\x01\x12\x03", "part of a TensorFlow SavedModel"),
}


@pytest.mark.parametrize("name", FILES)
def test_another_file_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    content, message = FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        read_trunk(path)
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("saved_model.pb", r"is a TensorFlow SavedModel: .*save it with model\.save"),
        ("model.weights.h5", r"unpacked Keras archive: pass .*folder/model\.weights\.h5"),
        ("variables.index", "TensorFlow checkpoint"),
        ("a.jpg", "is a folder: pass a Keras file"),
    ],
)
def test_a_folder_is_named_in_one_line(tmp_path: Path, member: str, message: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / member).write_bytes(b"")
    with pytest.raises(WeightsError, match=message):
        load_model(str(folder), str(tmp_path / "cache"), say=lambda _: None)
