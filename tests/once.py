"""Creates expensive test data once for all pytest-xdist processes."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(
    folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None], worker: str
) -> Path:
    """The read-only folder `name` of this test run; the first process that needs it calls `make`.

    `worker` is the pytest-xdist name of this process.
    """
    run = folders.getbasetemp()
    home = (run if worker == "master" else run.parent) / name
    with open(home.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = home.with_suffix(".done")
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)  # left by a process that failed
            home.mkdir()
            make(home)
            done.touch()
    return home
