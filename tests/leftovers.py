"""What a test run that was killed has left on this machine: found, ended, and said."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

_MARK = "FRUITS_TEST_RUN"
LABEL = "fruits.tests"
"""The label of containers that tests start by themselves."""


def mark_this_run() -> None:
    """Every process that this run starts tells by its environment whose it is."""
    os.environ[_MARK] = f"{os.getpid()}:{_began(os.getpid())}"


def end_processes() -> list[str]:
    """Ends what test runs that are no more have left running; their command lines."""
    ended = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            environ = (folder / "environ").read_text("utf-8", "replace").split("\0")
            run = next((each for each in environ if each.startswith(f"{_MARK}=")), None)
            if run and not _is_running(run.partition("=")[2]):
                command = (folder / "cmdline").read_text("utf-8", "replace").replace("\0", " ")
                os.kill(int(folder.name), signal.SIGKILL)
                ended.append(f"process {folder.name}: {command[:80]}")
    return ended


def _is_running(run: str) -> bool:
    process, _, began = run.partition(":")
    return process.isdigit() and _began(int(process)) == began


def _began(process: int) -> str | None:
    """When it was started, in ticks since the machine was; None: there is no such process."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def remove_containers(*filters: str) -> list[str]:
    """Removes containers, networks and volumes that fit one of these filters of Docker's; their
    names."""
    removed = []
    for kind, command in (
        ("container", ["ps", "--all", "--format", "{{.Names}}"]),
        ("network", ["network", "ls", "--format", "{{.Name}}"]),
        ("volume", ["volume", "ls", "--format", "{{.Name}}"]),
    ):
        for each in filters:
            for name in _docker(*command, "--filter", each).split():
                force = [] if kind == "network" else ["--force"]
                _docker(kind, "rm", *force, *(["--volumes"] if kind == "container" else []), name)
                removed.append(f"{kind} {name}")
    return removed


def say(config: pytest.Config, cleaned: list[str]) -> None:
    """Tells what was cleaned up, whatever else of the output is captured."""
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if cleaned and terminal:
        terminal.write_line("\nLeft by a test run that was killed, and cleaned up:")
        for each in cleaned:
            terminal.write_line(f"  {each}")


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], text=True, capture_output=True, check=True).stdout  # noqa: S607
