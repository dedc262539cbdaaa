"""What is made once for all processes that share the tests."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(
    folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None], worker: str
) -> Path:
    """The folder `name` of this run of the tests, filled by `make` in the process that asks first;
    to read. `worker` is the name that pytest-xdist gives this process."""
    run = folders.getbasetemp()
    home = (run if worker == "master" else run.parent) / name
    with open(home.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = home.with_suffix(".done")
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)  # where another process failed
            home.mkdir()
            make(home)
            done.touch()
    return home
