"""When `make local-up` can't start the cluster, it prints one line that says what to do.

A script stands in for Docker, so that it can fail in any way.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from time import sleep

import pytest
from places import ROOT

SCRIPT = ROOT / "compose" / "local.sh"
_TOOLS = (
    "awk base64 bash cat chmod cut df dirname grep head id mkdir mktemp realpath rm sed sleep tail "
    "tr"
)


def _up(
    tmp_path: Path, docker: str | None, verb: str = "up", script: Path = SCRIPT, **environ: str
) -> "subprocess.CompletedProcess[str]":
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in _TOOLS.split():
        (tools / name).symlink_to(str(shutil.which(name)))
    if docker is not None:
        (tools / "docker").write_text(f"#!/bin/bash\n{docker}\n")
        (tools / "docker").chmod(0o755)
    return subprocess.run(
        [script, verb],
        env={"PATH": str(tools), "SECRETS": str(tmp_path / "secrets"), "USER": "ada"} | environ,
        capture_output=True,
        text=True,
        check=False,
    )


_HEALTHY = """
case "$*" in
    *MemTotal*) echo 16000000000 ;;
    *DockerRootDir*) echo /nowhere ;;
    *"compose up"*) %s ;;
esac
"""


@pytest.mark.parametrize(
    ("docker", "wanted"),
    [
        (None, "Docker is not installed"),
        ("echo Cannot connect to the Docker daemon >&2; exit 1", "is not responding: start it"),
        ("echo permission denied while trying >&2; exit 1", "usermod -aG docker ada"),
        ('[ "$1" != compose ]', "Docker Compose v2 is not installed"),
        ('case "$*" in *MemTotal*) echo 4000000000 ;; esac', "4000 MB of memory"),
        (
            _HEALTHY % "echo 'Bind for 127.0.0.1:8000 failed: port is already allocated'; exit 1",
            "Port 127.0.0.1:8000 is already in use",
        ),
        (
            _HEALTHY % "echo 'listen tcp4 127.0.0.1:7070: bind: address already in use'; exit 1",
            "Port 127.0.0.1:7070 is already in use",
        ),
        (
            _HEALTHY % "echo 'write /x: no space left on device'; exit 1",
            "The disk is full: free some",
        ),
        (
            _HEALTHY % "echo 'container fruits-history-1 is unhealthy'; exit 1",
            "Some services did not become healthy",
        ),
    ],
    ids=lambda value: value.split(":")[0][:30] if isinstance(value, str) else "none",
)
def test_failure_is_reported_in_one_line(tmp_path: Path, docker: str | None, wanted: str) -> None:
    done = _up(tmp_path, docker)
    assert done.returncode == 2
    assert wanted in done.stderr.splitlines()[-1]


def test_secrets_are_created_once_in_a_private_folder(tmp_path: Path) -> None:
    _up(tmp_path, _HEALTHY % "exit 1")
    secrets = tmp_path / "secrets"
    first = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(first) == {"spark", "s3", "oauth"}
    assert first["oauth"] == ""  # for a secret that the user writes
    assert len(first["spark"]) > 40
    assert secrets.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(tmp_path / "bin")
    _up(tmp_path, _HEALTHY % "exit 1")
    assert {path.name: path.read_text() for path in secrets.iterdir()} == first
    assert os.access(secrets / "spark", os.R_OK)


_BUILDS = """
echo "$*" >>"$LOG"
case "$*" in *MemTotal*) echo 16000000000 ;; *DockerRootDir*) echo /nowhere ;; esac
"""


def test_fresh_images_have_their_packages_built_anew_and_keep_them(tmp_path: Path) -> None:
    """The time of the last update is part of the cache's key of layers with packages."""
    copied = tmp_path / "project"
    for folder in ("compose", "images", "src/fruits"):
        shutil.copytree(ROOT / folder, copied / folder)
    times = []
    for number, fresh in enumerate(("", "1", "", "1")):
        log = tmp_path / f"log-{number}"
        shutil.rmtree(tmp_path / "bin", ignore_errors=True)
        done = _up(
            *(tmp_path, _BUILDS, "images", copied / "compose" / "local.sh"),
            LOG=str(log),
            FRESH=fresh,
        )
        assert done.returncode == 0, done.stderr
        assert ("pull -q debian:trixie-slim" in log.read_text()) == bool(fresh)
        builds = re.findall(r"buildx build .* --build-arg UPDATED=(\S*) ", log.read_text())
        assert len(builds) == 7
        (time,) = set(builds)
        times.append(time)
        sleep(1)
    assert times[0] == ""
    assert "" < times[1] == times[2] < times[3]
    for name in ("base", "object-store"):
        for stage in re.split(
            "^FROM ", (ROOT / "images" / name / "Dockerfile").read_text(), flags=re.M
        ):
            assert "apt-get upgrade" not in stage or "ARG UPDATED" in stage
