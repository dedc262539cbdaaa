#!/usr/bin/env python3
"""What images are built from: the files of a checkout that Docker would be sent, and the scripts.

    source.py CHECKOUT            print version, revision and a hash of the content, one a line
    source.py CHECKOUT ARCHIVE    also write the files to ARCHIVE, a .tar.gz

As with `make images`, uncommitted changes count. `.dockerignore` says which files: it excludes all
and then lists what is needed. The hash depends on paths, contents and whether files are executable,
so the same source has the same one on any machine.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

_SCRIPTS = (".dockerignore", "compose/.env", "compose/local.sh", "compose/steps.sh")


def main(checkout: str, archive: str = "") -> None:
    root = Path(checkout)
    found = sorted(_files(root))
    print(*_version(root), _hash(root, found), sep="\n")
    if archive:
        with tarfile.open(archive, "w:gz", dereference=True) as target:
            for path in found:
                target.add(root / path, path, filter=_plain)


def _files(root: Path) -> Iterator[str]:
    """Paths below the checkout, without hidden files of editors and systems."""
    yield from _SCRIPTS
    lines = (root / ".dockerignore").read_text().split()
    unwanted = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    for line in lines:
        if line.startswith("!"):
            place = root / line[1:]
            for path in place.rglob("*") if place.is_dir() else [place]:
                parts = path.relative_to(root).parts
                if path.is_file() and not any(
                    part.startswith(".") or any(fnmatch(part, name) for name in unwanted)
                    for part in parts
                ):
                    yield "/".join(parts)


def _version(root: Path) -> tuple[str, str]:
    text = (root / "src" / "fruits" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "(.*)"', text, re.MULTILINE)
    if not found:
        sys.exit("src/fruits/__init__.py has no __version__")
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*", "--abbrev=40"]
    try:
        said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # not a clone, or no git
        return found[1], "unknown"
    return found[1], said.stdout.strip()


def _hash(root: Path, paths: list[str]) -> str:
    every = hashlib.sha256()
    for path in paths:
        file = root / path
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        every.update(f"{content} {bool(file.stat().st_mode & 0o100)} {path}\n".encode())
    return every.hexdigest()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same for everybody: root's, and readable."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member


if __name__ == "__main__":
    main(*sys.argv[1:])
