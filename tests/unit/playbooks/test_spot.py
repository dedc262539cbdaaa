"""The wait for AWS's notice that a Spot host is taken away"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from places import ROOT
from ports import free_ports, http_server

FILES = ROOT / "ansible" / "roles" / "spot" / "files"
NOTICE = '{"action": "terminate", "time": "2026-11-27T08:22:00Z"}'
# As the script, but without its pauses.
_FAST = "import spot, sys; spot.PAUSE_S = spot.PAUSE_ELSEWHERE_S = 0.1; spot.main(*sys.argv[1:])"


@contextmanager
def _metadata(answer: Callable[[], tuple[int, str]]) -> Iterator[tuple[str, list[str]]]:
    """Serve answers to those with a token that is good for two requests."""
    asked: list[str] = []

    class Service(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked.append(f"PUT {self.path}")
            self._say(200, str(len(asked)))

        def do_GET(self) -> None:
            asked.append(f"GET {self.path}")
            token = int(self.headers.get("X-aws-ec2-metadata-token", -9))
            self._say(*(answer() if token > len(asked) - 3 else (401, "")))

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http_server(Service) as url:
        yield url, asked


def _wait(url: str, *command: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _FAST, url, *command],
        cwd=FILES,
        env={"http_proxy": "http://127.0.0.1:1"},  # not for the metadata service
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_the_worker_is_drained_once_a_notice_comes(tmp_path: Path) -> None:
    answers = [(404, "")] * 5
    drained = tmp_path / "drained"
    with _metadata(lambda: answers.pop() if answers else (200, NOTICE)) as (url, asked):
        waiting = _wait(url, "mkdir", drained)
        said, _ = waiting.communicate(timeout=20)
    assert waiting.returncode == 0, said
    assert drained.is_dir()
    assert NOTICE in said
    assert set(asked) == {"PUT /latest/api/token", "GET /latest/meta-data/spot/instance-action"}


def test_a_drain_that_fails_is_tried_again_by_systemd(tmp_path: Path) -> None:
    with _metadata(lambda: (200, NOTICE)) as (url, _):
        waiting = _wait(url, "rmdir", tmp_path / "missing")
        waiting.communicate(timeout=20)
    assert waiting.returncode == 1


def test_hosts_outside_aws_hear_nothing(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    with _metadata(lambda: (200, "<html>")) as (other, _):
        for url in (nobody, other):
            waiting = _wait(url, "mkdir", tmp_path / "drained")
            time.sleep(1)
            assert waiting.poll() is None
            waiting.terminate()
            assert waiting.communicate()[0] == ""
    assert not (tmp_path / "drained").exists()
