#!/usr/bin/env python3
"""Save Docker images of this machine for a host that may already have some of their layers.

    archive.py FILE IMAGE… <layers-of-the-host

Standard input has one line for each image on the host: the JSON list of its layers (`docker image
inspect --format '{{json .RootFS.Layers}}'`). FILE becomes a compressed archive for `docker load`
without the layers that the host has: an update of the package copies a few hundred kilobytes
instead of all of Java and Python.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import zstandard

_COMPRESSOR = zstandard.ZstdCompressor(level=1, threads=-1)


def main(file: str, *images: str) -> None:
    there: set[tuple[str, ...]] = set()
    for line in sys.stdin:
        layers = tuple(json.loads(line))
        there.update(layers[: n + 1] for n in range(len(layers)))
    with tempfile.TemporaryDirectory(dir=Path(file).parent) as folder:
        whole = Path(folder, "whole.tar")
        subprocess.run(["docker", "save", "--output", whole, *images], check=True)  # noqa: S607
        part = Path(folder, "part.tar.zst")
        with tarfile.open(whole) as source, zstandard.open(part, "wb", _COMPRESSOR) as zipped:
            missing = _layers_to_leave_out(source, there)
            with tarfile.open(fileobj=zipped, mode="w|") as target:
                for member in source:
                    if member.name not in missing:
                        content = source.extractfile(member) if member.isfile() else None
                        target.addfile(member, content)
        os.chmod(part, 0o600)
        shutil.move(part, file)


def _layers_to_leave_out(archive: tarfile.TarFile, there: set[tuple[str, ...]]) -> set[str]:
    """Return the members that hold layers which the host has on top of the same lower layers.

    To Docker, a layer on top of other lower layers is a different one, even with the same content.
    """
    needed: set[str] = set()
    had: set[str] = set()
    for image in _json(archive, "manifest.json"):
        layers = _json(archive, image["Config"])["rootfs"]["diff_ids"]
        for n, name in enumerate(image["Layers"]):
            (had if tuple(layers[: n + 1]) in there else needed).add(_content(archive, name))
            (had if tuple(layers[: n + 1]) in there else needed).add(name)
    return had - needed


def _json(archive: tarfile.TarFile, name: str) -> Any:
    """Return the parsed content of a JSON member."""
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file in the archive of docker save")
    return json.load(file)


def _content(archive: tarfile.TarFile, name: str) -> str:
    """Return the member with the content of `name`, which may be a symbolic link to it."""
    member = archive.getmember(name)
    if member.issym():
        return os.path.normpath(PurePosixPath(name).parent / member.linkname)
    return name


if __name__ == "__main__":
    main(*sys.argv[1:])
