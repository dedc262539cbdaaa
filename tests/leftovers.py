"""Finds, removes and reports what a killed test run left on this machine."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

_MARK = "FRUITS_TEST_RUN"
LABEL = "fruits.tests"
"""The label of containers that tests start directly."""


def mark_this_run() -> None:
    """Set an environment variable that identifies the processes of this run."""
    os.environ[_MARK] = f"{os.getpid()}:{_began(os.getpid())}"


def end_processes() -> list[str]:
    """Kill processes left by test runs that have ended, and return their command lines."""
    ended = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has exited or belongs to another user
            environ = (folder / "environ").read_text("utf-8", "replace").split("\0")
            run = next((entry for entry in environ if entry.startswith(f"{_MARK}=")), None)
            if run and not _is_running(run.partition("=")[2]):
                command = (folder / "cmdline").read_text("utf-8", "replace").replace("\0", " ")
                os.kill(int(folder.name), signal.SIGKILL)
                ended.append(f"process {folder.name}: {command[:80]}")
    return ended


def _is_running(run: str) -> bool:
    process, _, began = run.partition(":")
    return process.isdigit() and _began(int(process)) == began


def _began(process: int) -> str | None:
    """Start time in clock ticks since boot, or None if there is no such process."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def remove_containers(*filters: str) -> list[str]:
    """Remove containers, networks and volumes matching any of these Docker filters, and return
    their names."""
    removed = []
    for kind, command in (
        ("container", ["ps", "--all", "--format", "{{.Names}}"]),
        ("network", ["network", "ls", "--format", "{{.Name}}"]),
        ("volume", ["volume", "ls", "--format", "{{.Name}}"]),
    ):
        for condition in filters:
            for name in _docker(*command, "--filter", condition).split():
                force = [] if kind == "network" else ["--force"]
                _docker(kind, "rm", *force, *(["--volumes"] if kind == "container" else []), name)
                removed.append(f"{kind} {name}")
    return removed


def say(config: pytest.Config, cleaned: list[str]) -> None:
    """Report what was cleaned up, even if pytest captures output."""
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if cleaned and terminal:
        terminal.write_line("\nLeft by a test run that was killed, and cleaned up:")
        for line in cleaned:
            terminal.write_line(f"  {line}")


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], text=True, capture_output=True, check=True).stdout  # noqa: S607
