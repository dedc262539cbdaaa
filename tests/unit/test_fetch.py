"""The object store's image gets its program from a release, if that is exactly the expected one."""

import hashlib
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from places import ROOT
from ports import free_ports, http_server

FETCH = ROOT / "images" / "object-store" / "fetch"
MEMBER = "gateway_v1/gateway"
pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL where it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with http_server(handler) as url:
        yield folder, url


def _release(folder: Path, program: str) -> str:
    """Make a release with a program; its checksum."""
    (folder / "program").write_text(program)
    with tarfile.open(folder / "release.tar.gz", "w:gz") as archive:
        archive.add(folder / "program", MEMBER)
    return hashlib.sha256((folder / "release.tar.gz").read_bytes()).hexdigest()


def _fetch(url: str, checksum: str, target: Path, timeout_s: float = 60) -> bool:
    done = subprocess.run(
        [FETCH, url, checksum, MEMBER, target], capture_output=True, check=False, timeout=timeout_s
    )
    return done.returncode == 0


def test_a_release_with_the_expected_checksum_is_used(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = served
    checksum = _release(folder, "#!/bin/sh\necho version 1\n")
    target = tmp_path / "gateway"
    assert _fetch(f"{url}/release.tar.gz", checksum, target)
    assert subprocess.check_output([target], text=True) == "version 1\n"


@pytest.mark.parametrize("why", ["missing", "another checksum", "not for this machine"])
def test_anything_else_is_refused(served: tuple[Path, str], tmp_path: Path, why: str) -> None:
    folder, url = served
    program = "\x7fELF of another CPU" if why == "not for this machine" else "#!/bin/sh\n"
    checksum = _release(folder, program)
    if why == "another checksum":
        checksum = "0" * 64
    name = "nothing" if why == "missing" else "release"
    target = tmp_path / "gateway"
    assert not _fetch(f"{url}/{name}.tar.gz", checksum, target)
    assert not target.exists()


def test_an_unreachable_release_is_refused(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    target = tmp_path / "gateway"
    assert not _fetch(f"http://127.0.0.1:{port}/release.tar.gz", "0" * 64, target)
    assert not target.exists()


def test_a_server_that_accepts_and_never_answers_is_soon_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/release.tar.gz"
        assert not _fetch(url, "0" * 64, tmp_path / "gateway", timeout_s=30)
