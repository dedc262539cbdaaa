"""What a file is that is not a Keras file, and what to do with it."""

import json
import zipfile
from pathlib import Path

_HDF5 = b"\x89HDF\r\n\x1a\n"
_SAVE = "load it where it was made, save it with model.save('model.keras'), and pass that file"
_ORIGINAL = "pass the Keras model that it was made from, saved with model.save('model.keras')"
_TORCH = (
    "is a PyTorch file: torchvision's MobileNetV2 pads and normalizes in other ways than Keras', so "
    "its weights give other features; pass a Keras file"
)
_SUFFIXES = {
    ".onnx": f"is an ONNX model, made for inference: {_ORIGINAL}",
    ".tflite": f"is a TensorFlow Lite model, made for inference: {_ORIGINAL}",
    ".pb": f"is part of a TensorFlow SavedModel or graph: {_SAVE}",
    ".index": f"is part of a TensorFlow checkpoint: {_SAVE}",
    ".ckpt": f"is a checkpoint of TensorFlow or PyTorch: {_SAVE}",
    ".mlmodel": f"is a Core ML model, made for inference: {_ORIGINAL}",
    ".npz": f"has NumPy arrays: {_SAVE}",
    ".npy": f"has a NumPy array: {_SAVE}",
    ".yaml": f"has an architecture without weights: {_SAVE}",
    ".yml": f"has an architecture without weights: {_SAVE}",
    ".xml": f"is an exported model, made for inference: {_ORIGINAL}",
    **dict.fromkeys((".pt", ".pth", ".safetensors"), _TORCH),
}


def what_else(path: Path) -> str | None:
    """What a file is, if not HDF5 or a Keras archive, and what to do; continues «FILE …»."""
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(_HDF5):
        return None
    if zipfile.is_zipfile(path):
        return _archive(path)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "is empty: copy it again from where it was saved"
    if text.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself: run `git lfs pull`"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")) and path.suffix != ".xml":
        return "is a web page, not a file of weights: check the address that it was downloaded from"
    if start[4:8] == b"TFL3":
        return _SUFFIXES[".tflite"]
    if start[8:10] == b'{"' and int.from_bytes(start[:8], "little") < 1 << 27:
        return _SUFFIXES[".safetensors"]
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        return "is a Python pickle (as of PyTorch), which is never executed: pass a Keras file"
    if text.startswith(b"{"):
        return _json_file(path)
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd")):
        return "is compressed: decompress it, and pass the file in it"
    if start[257:262] == b"ustar":
        return "is a tar archive: unpack it, and pass the file in it"
    if start.startswith((b"PK", b"\x89HD")):
        return "is damaged (incomplete): copy it again from where it was saved"
    if reason := _SUFFIXES.get(path.suffix.lower()):
        return reason
    return (
        "is damaged or not a Keras file: pass a file that was saved with model.save('model.keras') "
        "or model.save_weights('model.weights.h5')"
    )


def what_folder(path: Path) -> str:
    """What a folder is, and what to do; continues «FOLDER …»."""
    names = {entry.name for entry in path.iterdir()}
    if {"saved_model.pb", "saved_model.pbtxt"} & names:
        return (
            f"is a TensorFlow SavedModel: {_SAVE} (one that Keras 2 wrote is loaded by "
            "tf_keras.models.load_model, of the package tf-keras; one of model.export can't be)"
        )
    if "model.weights.h5" in names:
        return f"is an unpacked Keras archive: pass {path / 'model.weights.h5'}"
    if "checkpoint" in names or any(name.endswith(".index") for name in names):
        return f"is a TensorFlow checkpoint: {_SAVE}"
    return "is a folder: pass a Keras file (.keras or .h5)"


def _archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return "is damaged (an incomplete archive): copy it again from where it was saved"
    if {"model.weights.h5", "config.json"} <= set(names):
        return None
    if any(name.endswith("data.pkl") for name in names):
        return _TORCH
    if "model.weights.npz" in names:
        return f"is a Keras archive without HDF5: install h5py where it was made, {_SAVE}"
    if any(name.startswith("model.weights") for name in names) and "config.json" in names:
        return f"is a Keras archive of weights in several files: {_SAVE}, without max_shard_size"
    if "config.json" in names:
        return f"is a Keras archive without weights: {_SAVE}"
    if any(name.endswith(".npy") for name in names):
        return _SUFFIXES[".npz"]
    if any(name.endswith("saved_model.pb") for name in names):
        return f"is an archive of a TensorFlow SavedModel: {_SAVE}"
    return "is an archive, not a Keras file: unpack it, and pass the file in it"


def _json_file(path: Path) -> str:
    try:
        content = json.loads(path.read_bytes()[: 64 << 20])
    except (ValueError, RecursionError):
        content = {}
    if "weight_map" in content:
        return (
            "is the index of weights in several files: save them in one file, with "
            "model.save('model.keras')"
        )
    if "weightsManifest" in content:
        return f"is a TensorFlow.js model, made for inference: {_ORIGINAL}"
    return f"has an architecture without weights: {_SAVE}"
