"""What a file is that is not a Keras file, and what to do with it.

Messages continue «FILE …» or «FOLDER …».
"""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

_HDF5 = b"\x89HDF\r\n\x1a\n"
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"(\xb5/\xfd")
_SAVE = "load it where it was made, save it with model.save('model.keras'), and pass that file"
_ORIGINAL = "pass the Keras model that it was made from, saved with model.save('model.keras')"
_AGAIN = "copy it again from where it was saved"
_TORCH = (
    "is a PyTorch file: torchvision's MobileNetV2 pads and normalizes otherwise than Keras', so "
    "its weights would give other features; pass a Keras file"
)
_ARCHITECTURE = f"has an architecture without weights: {_SAVE}"
_CHECKPOINT = f"is part of a TensorFlow checkpoint: {_SAVE}"
_TFLITE = f"is a TensorFlow Lite model, made for inference: {_ORIGINAL}"
_UNKNOWN = (
    "is damaged or not a Keras file: pass a file that was saved with model.save('model.keras') "
    "or model.save_weights('model.weights.h5')"
)
_SUFFIXES = {
    ".onnx": f"is an ONNX model, made for inference: {_ORIGINAL}",
    ".tflite": _TFLITE,
    ".pb": f"is part of a TensorFlow SavedModel or graph: {_SAVE}",
    ".index": _CHECKPOINT,
    ".data-00000-of-00001": _CHECKPOINT,
    ".ckpt": f"is a checkpoint of TensorFlow or PyTorch: {_SAVE}",
    ".mlmodel": f"is a Core ML model, made for inference: {_ORIGINAL}",
    ".npy": f"has NumPy arrays: {_SAVE}",
    ".yaml": _ARCHITECTURE,
    ".yml": _ARCHITECTURE,
    ".xml": f"is an exported model, made for inference: {_ORIGINAL}",
    **dict.fromkeys((".pt", ".pth", ".safetensors"), _TORCH),
}
_STARTS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda start: not start.strip(b"\0"), f"is empty: {_AGAIN}"),
    (lambda start: start[4:8] == b"TFL3", _TFLITE),
    (lambda start: start[8:10] == b'{"' and start[4:8] == bytes(4), _TORCH),  # safetensors
    (
        lambda start: start[:1] == b"\x80" and 2 <= start[1] <= 5,
        "is a Python pickle, as PyTorch writes; pickles are never loaded, as they can run any "
        "code: pass a Keras file",
    ),
    (
        lambda start: start.startswith(_COMPRESSED),
        "is compressed: decompress it, and pass the Keras file in it",
    ),
    (
        lambda start: start[257:262] == b"ustar",
        "is a tar archive: unpack it, and pass the Keras file in it",
    ),
    (lambda start: start.startswith((b"PK\3\4", b"\x89HD")), f"is damaged (cut off): {_AGAIN}"),
)
_TEXTS = (
    (
        (b"version https://git-lfs",),
        "is a pointer of Git LFS, not the file itself: run `git lfs pull` in its folder",
    ),
    (
        (b"<!doctype", b"<html", b"<head", b"<!--"),
        "is a web page: check the address that it was downloaded from",
    ),
    (
        (b'<?xml version="1.0" encoding="utf-8"?>\n<error', b"<error"),
        "is an error message of a store: check the address that it was downloaded from",
    ),
)
_MEMBERS: tuple[tuple[Callable[[set[str]], bool], str], ...] = (
    (lambda names: any(name.endswith("data.pkl") for name in names), _TORCH),
    (
        lambda names: "model.weights.npz" in names,
        "is a Keras archive without HDF5: where it was made, install h5py and save it again",
    ),
    (
        lambda names: "config.json" in names and "metadata.json" in names,
        f"is a Keras archive without model.weights.h5: {_SAVE}",
    ),
    (lambda names: any(name.endswith(".npy") for name in names), _SUFFIXES[".npy"]),
    (
        lambda names: any(name.endswith("saved_model.pb") for name in names),
        f"is an archive of a TensorFlow SavedModel: {_SAVE}",
    ),
    (lambda _: True, "is an archive, not a Keras file: unpack it, and pass the Keras file in it"),
)


def what_else(path: Path) -> str | None:
    """What a file is, if neither HDF5 nor a Keras archive, and what to do."""
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(_HDF5):
        return None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
        if "model.weights.h5" in names:
            return None
        return next(message for fits, message in _MEMBERS if fits(names))
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    messages = [message for fits, message in _STARTS if fits(start)]
    messages += [message for starts, message in _TEXTS if text.startswith(starts)]
    if text.startswith(b"{"):
        messages.append(_what_json(path))
    return next(iter(messages), _SUFFIXES.get(path.suffix.lower(), _UNKNOWN))


def what_folder(path: Path) -> str:
    """What a folder is, and what to do."""
    names = {entry.name for entry in path.iterdir()}
    if names & {"saved_model.pb", "saved_model.pbtxt"}:
        return (
            f"is a TensorFlow SavedModel: {_SAVE} (the package tf-keras loads those that Keras 2 "
            "saved; those of model.export can't be loaded, so save the model itself)"
        )
    if "model.weights.h5" in names:
        return f"is an unpacked Keras archive: pass {path / 'model.weights.h5'}"
    if "checkpoint" in names or any(name.endswith(".index") for name in names):
        return f"is a TensorFlow checkpoint: {_SAVE}"
    return "is a folder: pass a Keras file (.keras or .h5)"


def _what_json(path: Path) -> str:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return _UNKNOWN
    if "weight_map" in content:
        return f"is the index of weights in several files: {_SAVE}"
    if "weightsManifest" in content:
        return f"is a TensorFlow.js model, made for inference: {_ORIGINAL}"
    return _ARCHITECTURE
