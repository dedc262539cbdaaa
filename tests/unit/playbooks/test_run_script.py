"""The script that starts runs in the Hub's container: they outlive it, and each is told once.

A script stands in for Docker: it runs commands of `docker compose exec` in a folder, as in the
home of a user of the Hub.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from places import ROOT

SCRIPT = ROOT / "ansible" / "roles" / "run" / "files" / "run.sh"
PLACES = ("s3://bucket/photos of 2026", "s3://bucket/results")
_DOCKER = """#!/bin/bash
[ ! -e "$HOSTS/no-dockerd" ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }
[ "${*:1:6}" = "compose exec -T jupyterhub as-user ada" ] || exit 99
cd "$HOSTS/home" && exec "${@:7}"
"""


class Hub:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "home", "compose"):
            (folder / name).mkdir()
        shutil.copy(SCRIPT, folder / "run")
        self.command("docker", _DOCKER)
        self.runs("echo done")

    def command(self, name: str, text: str) -> None:
        (self.folder / "bin" / name).write_text(text)
        (self.folder / "bin" / name).chmod(0o755)

    def runs(self, text: str) -> None:
        """Set what a run does."""
        self.command("run-and-train", f"#!/bin/sh\n{text}\n")

    def start(self, verb: str, *words: str) -> "subprocess.Popen[str]":
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.Popen(
            [self.folder / "run", verb, "ada", *words],
            env={"PATH": path, "HOSTS": str(self.folder), "RUN_POLL_S": "0.2"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def __call__(self, verb: str, *words: str) -> tuple[int, str, str]:
        process = self.start(verb, *words)
        out, errors = process.communicate(timeout=20)
        return process.returncode, out, errors

    def state(self) -> list[str]:
        code, out, errors = self("state")
        assert code == 0, errors
        return out.splitlines()


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def test_a_run_tells_its_output_and_exit_code(hub: Hub) -> None:
    assert hub.state() == ["none"]
    hub.runs('echo "$1 to $2"; echo broken >&2; exit 2')
    assert hub("start", *PLACES) == (0, "", "")
    assert hub("wait") == (2, " to ".join(PLACES) + "\n", "broken\n")
    assert hub.state() == ["ended", *PLACES]
    assert hub("told") == (0, "", "")
    assert hub.state() == ["told", *PLACES]
    assert hub("wait")[0] == 2  # for another one who has waited, too


def test_only_one_run_at_a_time(hub: Hub) -> None:
    hub.runs("until [ -e go ]; do sleep 0.05; done")
    assert hub("start", *PLACES)[0] == 0
    assert hub("start", "s3://bucket/others", "s3://bucket/results-2")[0] == 75
    assert hub.state() == ["running", *PLACES]
    (hub.folder / "home" / "go").touch()
    assert hub("wait")[0] == 0
    assert hub("start", *PLACES)[0] == 0


def test_a_run_outlives_who_waits_and_a_dockerd_that_is_restarted(hub: Hub) -> None:
    hub.runs("until [ -e go ]; do sleep 0.05; done; echo done")
    hub("start", *PLACES)
    waiting, patient = hub.start("wait"), hub.start("wait")
    time.sleep(0.5)
    os.killpg(waiting.pid, signal.SIGKILL)
    waiting.communicate()
    (hub.folder / "no-dockerd").touch()
    time.sleep(0.5)
    (hub.folder / "home" / "go").touch()
    (hub.folder / "no-dockerd").unlink()
    assert patient.communicate(timeout=20) == ("done\n", "")
    assert patient.returncode == 0


def test_a_run_that_was_killed_is_told_as_interrupted(hub: Hub) -> None:
    hub.runs("echo half; exec sleep 60")
    hub("start", *PLACES)
    end = time.monotonic() + 10
    while (hub.folder / "home" / ".run" / "stdout").read_text() != "half\n":
        assert time.monotonic() < end
        time.sleep(0.05)
    for pid in _sessions_in(hub.folder / "home"):
        os.killpg(pid, signal.SIGKILL)
    code, out, errors = hub("wait")
    assert (code, out) == (76, "half\n")
    assert "was interrupted" in errors
    assert hub.state() == ["interrupted", *PLACES]


def _sessions_in(folder: Path) -> set[int]:
    """Sessions of processes that work in the folder."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")) == folder:
                found.add(os.getsid(int(process.name)))
        except OSError:
            continue
    return found
