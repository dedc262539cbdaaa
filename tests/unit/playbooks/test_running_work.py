"""What deploy.yml finds running before it interrupts anything.

Programs and a server stand in for Spark's master and notebook servers."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from places import ROOT
from ports import free_ports, http_server

SCRIPT = ROOT / "ansible" / "roles" / "running_work" / "files" / "running.py"
TOKEN = "of-the-server"  # noqa: S105
BUSY, IDLE = {"execution_state": "busy"}, {"execution_state": "idle"}


@pytest.fixture
def answers() -> Iterator[tuple[str, dict[str, object]]]:
    """A server's URL, and its answers by path; kernels only for those with the token."""
    pages: dict[str, object] = {"/json/": {"activeapps": []}}

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = "kernels" not in self.path or self.headers["Authorization"] == f"token {TOKEN}"
            self.send_response(200 if known and self.path in pages else 403)
            self.end_headers()
            self.wfile.write(json.dumps(pages.get(self.path)).encode() if known else b"")

        def log_message(self, *_: object) -> None:
            pass

    with http_server(Server) as url:
        yield url, pages


@pytest.fixture
def program(tmp_path: Path) -> Iterator["_Programs"]:
    programs = _Programs(tmp_path)
    yield programs
    for process in programs.started:
        process.kill()
        process.wait()


class _Programs:
    """Processes that have the name, words and environment of others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *words: str, **environ: str) -> None:
        (self.folder / name).write_text("#!/bin/sh\ntouch $0.up\nsleep 60\n")
        (self.folder / name).chmod(0o755)
        path = {"PATH": "/usr/bin:/bin"}
        self.started.append(subprocess.Popen([self.folder / name, *words], env=environ | path))
        end = time.monotonic() + 10
        while not (self.folder / f"{name}.up").exists():
            assert time.monotonic() < end
            time.sleep(0.02)


def _running(master: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, master], text=True, capture_output=True, check=True, timeout=60
    )
    lines = done.stdout.splitlines()  # this machine may also run a rehearsal
    return [line for line in lines if " ada" in line or "s3://b/" in line]


def _server(program: _Programs, user: str, url: str) -> None:
    program.start(
        *("jupyterhub-singleuser", "--debug"),
        JUPYTERHUB_SERVICE_URL=f"{url}/user/{user}/",
        JUPYTERHUB_API_TOKEN=TOKEN,
        JUPYTERHUB_USER=user,
    )


def test_nothing_runs(answers: tuple[str, dict[str, object]], program: _Programs) -> None:
    url, pages = answers
    pages["/user/ada/api/kernels"] = [IDLE]
    _server(program, "ada", url)
    assert _running(url) == []
    assert _running(f"http://127.0.0.1:{free_ports(1)[0]}") == []  # no master


def test_everything_that_runs_is_told(
    answers: tuple[str, dict[str, object]], program: _Programs
) -> None:
    url, pages = answers
    pages["/json/"] = {"activeapps": [{"name": "fruits", "user": "ada"}]}
    pages["/user/ada/api/kernels"] = [BUSY, IDLE, BUSY]
    _server(program, "ada", url)
    program.start("run-and-train", "s3://b/photos", "s3://b/results")
    assert _running(url) == [
        "Spark application 'fruits' of ada",
        "a run of the pipeline: s3://b/photos to s3://b/results",
        "busy kernels of ada: 2",
    ]


def test_a_server_that_does_not_answer_counts_as_busy(
    answers: tuple[str, dict[str, object]], program: _Programs
) -> None:
    url, _ = answers
    _server(program, "ada", url)
    assert _running(url) == ["the notebook server of ada, which does not answer"]
