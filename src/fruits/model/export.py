"""Weights in a Keras file -> the files that the engines read, in a cache."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import rmtree
from typing import Any

import fruits
from fruits.errors import WeightsError
from fruits.model.weights import Weights

EXPORTED = ("model.xml", "model.bin", "trunk.weights.h5", "features.npy")
"""Two files for OpenVINO, the Keras weights of the trunk for the tensorflow engine, and what Keras
computes at three depths from `frameworks.probes()`, with which both engines are checked."""
RECORD = "model.json"
"""What an export was made with, and the hashes of its files."""
FORMAT = 3
"""Raised when exports of former versions must not be used: those before 2 were neither made in a
process of their own nor checked, so settings of Keras could have changed them; those before 3 have
the last layer only."""

_TIMEOUT_S = 900
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH")
"""What the export may see of the environment: nothing that changes what it computes."""
_START = """
import importlib.util, json, sys
request = json.loads(sys.argv[1])
sys.path.extend(request["path"])
package = request["package"]
spec = importlib.util.spec_from_file_location(
    "fruits", package + "/__init__.py", submodule_search_locations=[package]
)
sys.modules["fruits"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["fruits"])
from fruits.model.export_process import main
main(*request["arguments"])
"""
"""Imports this very package, and all else from where Python and its packages are installed."""


def export(weights: Weights, folder: Path) -> None:
    """Writes the files of EXPORTED and RECORD to `folder`, all or none, in a process of its own.

    Raises:
        WeightsError: the weights are not usable, Keras is not installed, or the cache is not
            writable.
    """
    folder = folder.absolute()  # the process works in another folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as staged:
            exported = Path(staged, "exported")
            exported.mkdir()
            _run(weights, exported, Path(staged))
            if not is_current(folder):
                rmtree(folder, ignore_errors=True)
                exported.rename(folder)
    except OSError as error:
        if not is_current(folder):  # another process has not exported it in the meantime, either
            raise WeightsError(
                f"the model can't be written to {folder} ({error.strerror or error}): "
                "pass another folder with --cache"
            ) from None


def _run(weights: Weights, exported: Path, staged: Path) -> None:
    answer, home, scratch = staged / "error.txt", staged / "keras", staged / "tmp"
    home.mkdir()
    scratch.mkdir()
    keras = {"backend": "tensorflow", "floatx": "float32", "image_data_format": "channels_last"}
    (home / "keras.json").write_text(json.dumps({**keras, "epsilon": 1e-7}))
    environment = {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(home),
        "MPLCONFIGDIR": str(scratch),  # Keras imports Matplotlib where it is installed
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TMPDIR": str(scratch),  # is removed with `staged`, also if the process is killed
    }
    request = {
        "path": _path(),
        "package": str(Path(fruits.__file__).absolute().parent),
        "arguments": [str(weights.path.absolute()), weights.member, str(exported), str(answer)],
    }
    # -I: neither PYTHON* variables nor the working folder decide what is imported.
    with subprocess.Popen(
        [sys.executable, "-I", "-c", _START, json.dumps(request)],
        env=environment,
        cwd=staged,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            stderr = process.communicate(timeout=_TIMEOUT_S)[1]
        except subprocess.TimeoutExpired:
            raise WeightsError(
                f"the export of the weights {weights.name} was stopped after {_TIMEOUT_S // 60} "
                "minutes: run again when this machine is less busy"
            ) from None
        finally:  # also after Ctrl-C: nothing writes to the folder when it is removed
            process.kill()
            process.wait()
    if answer.exists():
        raise WeightsError(answer.read_text())
    if process.returncode:
        raise WeightsError(_failure(weights.name, process.returncode, stderr))


def _path() -> list[str]:
    """Where this process finds packages, installed ones first; without the folder it works in."""
    folders = [folder for folder in sys.path if os.path.isabs(folder) and folder != os.getcwd()]
    return sorted(folders, key=lambda name: not name.endswith(("site-packages", "dist-packages")))


def _failure(name: str, code: int, stderr: str) -> str:
    last = (stderr.strip().splitlines() or [f"exit code {code}"])[-1][:300]
    if last.startswith("ModuleNotFoundError"):
        return (
            f"exporting the weights {name} needs Keras and TensorFlow ({last.partition(': ')[2]}): "
            "run `pip install 'fruits[keras]'`, or export them on another machine and pass its "
            "cache with --cache"
        )
    if code < 0:
        last = f"signal {-code}; it needs about 1 GB of memory"
    return f"the export of the weights {name} failed ({last})"


def is_current(folder: Path) -> bool:
    """Whether `folder` has a complete export, made and checked as this version does it."""
    return _record(folder).get("format") == FORMAT


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def read_exported(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Reads files that `export` wrote, and checks their hashes.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    hashes = _record(folder)
    files = {}
    for name in names:
        path = folder / name
        data = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != hashes.get(name):
            raise WeightsError(f"{path} is damaged: delete the folder {folder} and run again")
        files[name] = data
    return files
