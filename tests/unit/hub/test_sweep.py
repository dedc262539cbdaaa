"""What dead processes of the Hub's users have left is deleted, and nothing else."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

SWEEP = ROOT / "images" / "jupyterhub" / "bin" / "sweep"
ADA, BOB = 23456, 23457


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that all may write to, as /tmp; owners of files need root."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as several users")
    folder = Path("/tmp", f"fruits-sweep-{os.getpid()}")  # noqa: S108 - others can enter it
    folder.mkdir()
    folder.chmod(0o1777)
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)  # noqa: S607


def _leave(folder: Path, name: str, uid: int) -> None:
    (folder / name / "0c").mkdir(parents=True)
    for path in (folder / name / "0c", folder / name):
        path.chmod(0o700)
        os.chown(path, uid, 100)


def _start(uid: int, name: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([name, "60"], executable="/bin/sleep", user=uid)


def test_only_what_is_older_than_all_processes_of_its_owner_goes(folder: Path) -> None:
    started = [_start(ADA, "jupyterhub-singleuser")]
    try:
        for uid, name in ((ADA, "blockmgr-1"), (BOB, "spark-2"), (0, "roots")):
            _leave(folder, name, uid)
        time.sleep(1.5)
        started.append(_start(ADA, "kernel"))
        time.sleep(0.2)
        _leave(folder, "blockmgr-of-now", ADA)
        subprocess.run([SWEEP, "--once", folder], check=True)
        assert sorted(path.name for path in folder.iterdir()) == ["blockmgr-of-now", "roots"]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_more_entries_than_a_command_line_holds_are_deleted(folder: Path) -> None:
    for number in range(20_000):  # 4 MB of names; Linux allows 2 MB
        path = folder / f"{number:0200}"
        path.touch()
        os.chown(path, ADA, 100)
    time.sleep(1.5)
    subprocess.run([SWEEP, "--once", folder], check=True)
    assert list(folder.iterdir()) == []
